//! A folder as a layer: the same files give the same bytes, wherever and whenever they are packed.

use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use flate2::{Compression, GzBuilder};
use oci_spec::image::Digest;
use tempfile::TempPath;

use crate::registry::verify::Hasher;

/// A packed layer: a gzip'd tar in a temporary file.
#[derive(Debug)]
pub struct Layer {
    /// Where it is, for as long as this value lives.
    pub(super) file: TempPath,
    /// The digest of the packed bytes.
    pub digest: Digest,
    /// The digest of the tar inside.
    pub diff_id: Digest,
    /// Packed bytes.
    pub size: u64,
    /// Entries.
    pub entries: usize,
}

/// A folder cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// Reading the folder or writing the layer failed.
    #[error("cannot pack \"{path}\"")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An entry that no image may hold.
    #[error("cannot pack \"{path}\": {reason}")]
    Entry {
        /// The entry, below the folder.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// One thing to pack.
enum Item {
    Directory,
    File { executable: bool, size: u64 },
    Link(PathBuf),
}

/// Packs all of a folder. Reads and compresses: not for an async thread.
pub fn pack_dir(dir: &Path) -> Result<Layer, PackError> {
    let failed = |source| PackError::Io {
        path: dir.to_owned(),
        source,
    };
    let root = Dir::open_ambient_dir(dir, ambient_authority()).map_err(failed)?;
    let mut items = Vec::new();
    collect(&root, &root, "", &mut items)?;
    // By bytes, so that neither the file system's order nor a locale shows.
    items.sort_by(|a, b| a.0.cmp(&b.0));
    write_layer(|archive| {
        for (path, item) in &items {
            append(archive, &root, path, item)?;
        }
        Ok(items.len())
    })
}

/// Packs files that are at hand, in the order given.
pub fn pack_files(files: &[(&str, &[u8])]) -> Result<Layer, PackError> {
    write_layer(|archive| {
        for (path, content) in files {
            let mut header = header(tar::EntryType::Regular, 0o644, content.len() as u64);
            archive
                .append_data(&mut header, path, *content)
                .map_err(at(path))?;
        }
        Ok(files.len())
    })
}

type Archive = tar::Builder<Counted<flate2::write::GzEncoder<Counted<BufWriter<std::fs::File>>>>>;

fn write_layer(fill: impl FnOnce(&mut Archive) -> Result<usize, PackError>) -> Result<Layer, PackError> {
    let (plain, path) = tempfile::NamedTempFile::new()
        .map_err(at("the layer"))?
        .into_parts();
    // No name, no time, no system: the header is the same everywhere.
    let packed = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Counted::new(BufWriter::new(plain)), Compression::default());
    let mut archive = tar::Builder::new(Counted::new(packed));
    let entries = fill(&mut archive)?;
    let finish = || -> io::Result<(String, String, u64)> {
        let plain = archive.into_inner()?;
        let diff_id = plain.hasher.finish();
        let mut packed = plain.inner.finish()?;
        packed.flush()?;
        Ok((diff_id, packed.hasher.finish(), packed.bytes))
    };
    let (diff_id, digest, size) = finish().map_err(at("the layer"))?;
    let parsed = |text: String| {
        text.parse::<Digest>()
            .map_err(|error| at("the layer")(io::Error::other(error)))
    };
    Ok(Layer {
        file: path,
        digest: parsed(digest)?,
        diff_id: parsed(diff_id)?,
        size,
        entries,
    })
}

fn collect(root: &Dir, dir: &Dir, prefix: &str, items: &mut Vec<(String, Item)>) -> Result<(), PackError> {
    for entry in dir.entries().map_err(at(prefix))? {
        let entry = entry.map_err(at(prefix))?;
        let name = entry.file_name();
        let refused = |reason: &str| {
            let path = format!("{prefix}{}", name.to_string_lossy());
            PackError::Entry {
                path,
                reason: reason.to_owned(),
            }
        };
        let Some(text) = name.to_str() else {
            return Err(refused("the name is not UTF-8"));
        };
        if text.starts_with(".wh.") {
            return Err(refused(
                "in an image, a name that begins with .wh. removes a file",
            ));
        }
        let path = format!("{prefix}{text}");
        let kind = entry.file_type().map_err(at(&path))?;
        if kind.is_dir() {
            let below = entry.open_dir().map_err(at(&path))?;
            collect(root, &below, &format!("{path}/"), items)?;
            items.push((format!("{path}/"), Item::Directory));
        } else if kind.is_file() {
            let metadata = entry.metadata().map_err(at(&path))?;
            items.push((
                path,
                Item::File {
                    executable: metadata.mode() & 0o100 != 0,
                    size: metadata.len(),
                },
            ));
        } else if kind.is_symlink() {
            let target = dir.read_link_contents(&name).map_err(at(&path))?;
            check_link(root, &path, &target).map_err(|reason| refused(&reason))?;
            items.push((path, Item::Link(target)));
        } else {
            return Err(refused("neither a file, a folder nor a link"));
        }
    }
    Ok(())
}

/// A link must stay inside, by its words and by where it really leads.
fn check_link(root: &Dir, path: &str, target: &Path) -> Result<(), String> {
    let leaves = || format!("the link leads out of the folder, to \"{}\"", target.display());
    let mut depth = path.matches('/').count();
    for part in target.components() {
        match part {
            std::path::Component::Normal(_) => depth += 1,
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => depth = depth.checked_sub(1).ok_or_else(leaves)?,
            std::path::Component::RootDir | std::path::Component::Prefix(_) => return Err(leaves()),
        }
    }
    if target.to_str().is_none() {
        return Err("the link's target is not UTF-8".to_owned());
    }
    match root.canonicalize(path) {
        Ok(_) => Ok(()),
        // What is not there may come with the module's start.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(_) => Err(leaves()),
    }
}

fn append(archive: &mut Archive, root: &Dir, path: &str, item: &Item) -> Result<(), PackError> {
    match item {
        Item::Directory => {
            let mut header = header(tar::EntryType::Directory, 0o755, 0);
            archive
                .append_data(&mut header, path, io::empty())
                .map_err(at(path))
        }
        Item::Link(target) => {
            let mut header = header(tar::EntryType::Symlink, 0o777, 0);
            archive.append_link(&mut header, path, target).map_err(at(path))
        }
        Item::File { executable, size } => {
            let mut header = header(
                tar::EntryType::Regular,
                if *executable { 0o755 } else { 0o644 },
                *size,
            );
            let file = root.open(path).map_err(at(path))?;
            let mut file = file.into_std().take(*size);
            archive
                .append_data(&mut header, path, &mut file)
                .map_err(at(path))?;
            if file.limit() > 0 {
                return Err(at(path)(io::Error::other(
                    "the file became shorter while it was packed",
                )));
            }
            Ok(())
        }
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn at(path: &str) -> impl FnOnce(io::Error) -> PackError + use<> {
    let path = PathBuf::from(path);
    move |source| PackError::Io { path, source }
}

/// Counts and hashes what is written.
struct Counted<W> {
    inner: W,
    hasher: Hasher,
    bytes: u64,
}

impl<W> Counted<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::sha256(),
            bytes: 0,
        }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn module() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("templates/deep")).unwrap();
        fs::write(dir.path().join("module.yaml"), "name: echo\n").unwrap();
        fs::write(dir.path().join("templates/a.yaml"), "a: 1\n").unwrap();
        fs::write(dir.path().join("templates-b"), "").unwrap();
        fs::write(
            dir.path().join(format!("templates/deep/{}", "n".repeat(200))),
            "long",
        )
        .unwrap();
        fs::write(dir.path().join("hook"), "#!/bin/sh\n").unwrap();
        fs::set_permissions(dir.path().join("hook"), fs::Permissions::from_mode(0o4701)).unwrap();
        symlink("../module.yaml", dir.path().join("templates/link")).unwrap();
        dir
    }

    fn listed(layer: &Layer) -> Vec<(String, u32)> {
        let file = fs::File::open(&layer.file).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!(
                (
                    header.uid().unwrap(),
                    header.gid().unwrap(),
                    header.mtime().unwrap()
                ),
                (0, 0, 0)
            );
            (
                entry.path().unwrap().display().to_string(),
                header.mode().unwrap(),
            )
        });
        entries.collect()
    }

    #[test]
    fn packs_the_same_files_to_the_same_bytes() {
        let (one, two) = (module(), module());
        let (a, b) = (pack_dir(one.path()).unwrap(), pack_dir(two.path()).unwrap());
        assert_eq!((&a.digest, &a.diff_id, a.size), (&b.digest, &b.diff_id, b.size));
        assert_eq!(fs::read(&a.file).unwrap().len() as u64, a.size);
        let mut listed = listed(&a);
        assert!(listed.iter().any(|(path, _)| path.len() > 200));
        listed.retain(|(path, _)| path.len() < 200);
        let expected = [
            ("hook", 0o755),
            ("module.yaml", 0o644),
            ("templates-b", 0o644),
            ("templates/", 0o755),
            ("templates/a.yaml", 0o644),
            ("templates/deep/", 0o755),
            ("templates/link", 0o777),
        ];
        assert_eq!(listed, expected.map(|(path, mode)| (path.to_owned(), mode)));
    }

    #[test]
    fn refuses_links_that_leave() {
        for (at, target) in [
            ("l", "/etc/passwd"),
            ("l", "../x"),
            ("templates/l", "../../x"),
            ("templates/l", "deep/../../../x"),
        ] {
            let dir = module();
            symlink(target, dir.path().join(at)).unwrap();
            let error = pack_dir(dir.path()).unwrap_err().to_string();
            assert!(error.contains("leads out of the folder"), "{error}");
        }
        // By its words it stays: through another link it does not.
        let dir = module();
        symlink(".", dir.path().join("templates/here")).unwrap();
        symlink("here/here/../../../x", dir.path().join("templates/l")).unwrap();
        let error = pack_dir(dir.path()).unwrap_err().to_string();
        assert!(error.contains("leads out of the folder"), "{error}");
    }

    #[test]
    fn refuses_what_no_image_may_hold() {
        use std::os::unix::ffi::OsStrExt;
        let dir = module();
        fs::write(dir.path().join(".wh.x"), "").unwrap();
        assert!(
            pack_dir(dir.path())
                .unwrap_err()
                .to_string()
                .contains("removes a file")
        );
        let dir = module();
        fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"a\xff")), "").unwrap();
        assert!(
            pack_dir(dir.path())
                .unwrap_err()
                .to_string()
                .contains("not UTF-8")
        );
        let dir = module();
        let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("s")).unwrap();
        assert!(
            pack_dir(dir.path())
                .unwrap_err()
                .to_string()
                .contains("neither a file")
        );
    }
}
