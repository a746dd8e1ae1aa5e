//! An OCI image layout: a folder that holds images as a registry would.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use oci_spec::image::{Descriptor, Digest, ImageIndex, MediaType};
use serde::Deserialize;
use tempfile::NamedTempFile;

use super::verify::sha256;

/// The annotation that names an image in a layout's index.
const REF_NAME: &str = "org.opencontainers.image.ref.name";
const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";
const MARK_TEXT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
/// The longest index that is read, in bytes.
const INDEX_BYTES: u64 = 64 * 1024 * 1024;
/// The repository of images whose name in the index is a tag alone, as skopeo writes them.
const ROOT: &str = "modules";

/// A layout on disk.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

/// An image of a layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The repository: `modules/echo`.
    pub repository: String,
    /// The tag.
    pub tag: String,
    /// Its manifest or index.
    pub descriptor: Descriptor,
}

/// A layout cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// No layout where one should be.
    #[error("\"{0}\" is no OCI image layout: it has no oci-layout file")]
    None(PathBuf),
    /// A folder with other things in it.
    #[error("\"{0}\" is neither empty nor an OCI image layout: name an empty folder")]
    Other(PathBuf),
    /// A file of it cannot be read or written.
    #[error("cannot access \"{path}\"")]
    Access {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file of it is not what it should be.
    #[error("\"{path}\": {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Layout {
    /// Opens a layout.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Mark {
            image_layout_version: String,
        }
        let layout = Self { dir: dir.into() };
        let path = layout.dir.join(MARK);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(LayoutError::None(layout.dir));
            }
            Err(source) => return Err(LayoutError::Access { path, source }),
        };
        match serde_json::from_slice::<Mark>(&text) {
            Ok(mark) if mark.image_layout_version.starts_with("1.") => Ok(layout),
            Ok(mark) => {
                let reason = format!(
                    "layout version \"{}\" is not supported",
                    mark.image_layout_version
                );
                Err(LayoutError::Malformed { path, reason })
            }
            Err(error) => Err(LayoutError::Malformed {
                path,
                reason: error.to_string(),
            }),
        }
    }

    /// Opens a layout, or makes one of a folder that is empty or not there.
    pub fn create(dir: impl Into<PathBuf>) -> Result<Self, LayoutError> {
        let dir = dir.into();
        match Self::open(&dir) {
            Err(LayoutError::None(_)) => {}
            opened => return opened,
        }
        let blobs = dir.join("blobs/sha256");
        let accessed = |path: &Path| {
            let path = path.to_owned();
            move |source| LayoutError::Access { path, source }
        };
        match fs::read_dir(&dir).map(|mut entries| entries.next().is_some()) {
            Ok(true) => return Err(LayoutError::Other(dir)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(accessed(&dir)(error)),
            _ => {}
        }
        fs::create_dir_all(&blobs).map_err(accessed(&blobs))?;
        let layout = Self { dir };
        layout.replace(
            INDEX,
            br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        )?;
        layout.replace(MARK, MARK_TEXT.as_bytes())?;
        Ok(layout)
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All images that have a name.
    pub fn images(&self) -> Result<Vec<Named>, LayoutError> {
        Ok(self.index()?.manifests().iter().filter_map(named).collect())
    }

    /// The image of a name.
    pub fn image(&self, repository: &str, tag: &str) -> Result<Option<Descriptor>, LayoutError> {
        let images = self.images()?;
        Ok(images
            .into_iter()
            .find(|i| i.repository == repository && i.tag == tag)
            .map(|i| i.descriptor))
    }

    /// Where a blob is, whether or not it is there. A digest holds no separators, so the path stays inside.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.dir
            .join("blobs")
            .join(digest.algorithm().as_ref())
            .join(digest.digest())
    }

    /// Reads a manifest or another short blob, of at most `limit` bytes; `None` when it is not there.
    pub fn read_blob(&self, digest: &Digest, limit: u64) -> Result<Option<Vec<u8>>, LayoutError> {
        let path = self.blob_path(digest);
        match read_short(&path, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LayoutError::Access { path, source }),
        }
    }

    pub(super) fn index_path(&self) -> PathBuf {
        self.dir.join(INDEX)
    }

    pub(super) fn index(&self) -> Result<ImageIndex, LayoutError> {
        let path = self.index_path();
        let bytes = read_short(&path, INDEX_BYTES).map_err(|source| LayoutError::Access {
            path: path.clone(),
            source,
        })?;
        serde_json::from_slice(&bytes).map_err(|error| LayoutError::Malformed {
            path,
            reason: error.to_string(),
        })
    }

    /// Adds a blob from memory.
    pub(super) fn add_bytes(&self, bytes: &[u8]) -> Result<(), LayoutError> {
        let hex = sha256(bytes);
        self.replace(
            &format!("blobs/sha256/{}", hex.trim_start_matches("sha256:")),
            bytes,
        )
    }

    /// Adds a blob by copying a file whose digest is known.
    pub(super) fn add_file(&self, digest: &Digest, file: &Path) -> Result<(), LayoutError> {
        let path = self.blob_path(digest);
        if path.exists() {
            return Ok(());
        }
        let copy = || {
            let mut temporary = NamedTempFile::new_in(path.parent().unwrap_or(&self.dir))?;
            io::copy(&mut File::open(file)?, &mut temporary)?;
            settle(temporary, &path)
        };
        copy().map_err(|source| LayoutError::Access {
            path: path.clone(),
            source,
        })
    }

    /// Gives an image its name, instead of the one that had it. One writer at a time, readers see the old or the new.
    pub(super) fn name(
        &self,
        repository: &str,
        tag: &str,
        descriptor: &Descriptor,
    ) -> Result<(), LayoutError> {
        let mark = self.dir.join(MARK);
        let lock = File::open(&mark).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(|source| LayoutError::Access { path: mark, source })?;
        let mut index = self.index()?;
        let mut manifests = index.manifests().clone();
        manifests.retain(|known| named(known).is_none_or(|n| n.repository != repository || n.tag != tag));
        let mut descriptor = descriptor.clone();
        descriptor.set_annotations(Some(
            [(REF_NAME.to_owned(), format!("{repository}:{tag}"))].into(),
        ));
        manifests.push(descriptor);
        manifests.sort_by_key(|d| d.annotations().as_ref().and_then(|a| a.get(REF_NAME).cloned()));
        index.set_manifests(manifests);
        index.set_media_type(Some(MediaType::ImageIndex));
        let text = serde_json::to_vec_pretty(&index).map_err(|error| LayoutError::Malformed {
            path: self.index_path(),
            reason: error.to_string(),
        })?;
        self.replace(INDEX, &text)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), LayoutError> {
        let path = self.dir.join(name);
        let write = || {
            let mut temporary = NamedTempFile::new_in(path.parent().unwrap_or(&self.dir))?;
            temporary.write_all(bytes)?;
            settle(temporary, &path)
        };
        write().map_err(|source| LayoutError::Access {
            path: path.clone(),
            source,
        })
    }
}

/// Makes a finished temporary file the file of that name, readable for all, as other tools' are.
fn settle(temporary: NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    temporary
        .as_file()
        .set_permissions(fs::Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    temporary.persist(path)?;
    Ok(())
}

fn read_short(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("longer than {limit} bytes")));
    }
    Ok(bytes)
}

fn named(descriptor: &Descriptor) -> Option<Named> {
    let name = descriptor.annotations().as_ref()?.get(REF_NAME)?;
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (without_host(repository), tag),
        _ => (ROOT, name.as_str()),
    };
    Some(Named {
        repository: repository.to_owned(),
        tag: tag.to_owned(),
        descriptor: descriptor.clone(),
    })
}

fn without_host(repository: &str) -> &str {
    match repository.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
        _ => repository,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(bytes: &[u8]) -> Descriptor {
        let digest: Digest = sha256(bytes).parse().unwrap();
        Descriptor::new(MediaType::ImageManifest, bytes.len() as u64, digest)
    }

    #[test]
    fn names_images_once() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path().join("new")).unwrap();
        layout.add_bytes(b"{}").unwrap();
        layout.name("modules/echo", "v1.0.0", &descriptor(b"{}")).unwrap();
        layout
            .name("modules/echo", "v1.0.0", &descriptor(b"{ }"))
            .unwrap();
        layout.name("modules", "echo", &descriptor(b"{}")).unwrap();
        let layout = Layout::create(layout.dir()).unwrap();
        let names: Vec<_> = layout
            .images()
            .unwrap()
            .into_iter()
            .map(|i| (i.repository, i.tag))
            .collect();
        assert_eq!(
            names,
            [
                ("modules/echo".into(), "v1.0.0".into()),
                ("modules".into(), "echo".into())
            ]
        );
        let found = layout.image("modules/echo", "v1.0.0").unwrap().unwrap();
        assert_eq!(found.digest(), descriptor(b"{ }").digest());
        assert_eq!(
            layout.read_blob(descriptor(b"{}").digest(), 10).unwrap().unwrap(),
            b"{}"
        );
        assert_eq!(layout.read_blob(descriptor(b"-").digest(), 10).unwrap(), None);
    }

    #[test]
    fn reads_the_names_that_other_tools_write() {
        for (name, expected) in [
            (
                "registry.example.com:5000/modules/echo:v1",
                ("modules/echo", "v1"),
            ),
            ("localhost/modules/echo:v1", ("modules/echo", "v1")),
            ("modules/echo:v1", ("modules/echo", "v1")),
            ("echo", ("modules", "echo")),
            ("latest", ("modules", "latest")),
        ] {
            let mut d = descriptor(b"");
            d.set_annotations(Some([(REF_NAME.to_owned(), name.to_owned())].into()));
            let named = named(&d).unwrap();
            assert_eq!(
                (named.repository.as_str(), named.tag.as_str()),
                expected,
                "{name}"
            );
        }
    }

    #[test]
    fn does_not_take_a_folder_with_other_things_in_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Layout::open(dir.path()), Err(LayoutError::None(_))));
        fs::write(dir.path().join("x"), "").unwrap();
        assert!(matches!(Layout::create(dir.path()), Err(LayoutError::Other(_))));
    }
}
