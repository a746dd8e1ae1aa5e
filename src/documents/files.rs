//! Finds and reads the files.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Fault, MAX_BYTES, Place, Reading, parse};

/// The files of a folder that hold documents: `*.yaml`, `*.yml` and `*.json`, those of subfolders too, sorted by
/// name (component by component).
///
/// What starts with a dot is passed over, be it file or folder: editors leave such files, and a mounted `ConfigMap`
/// keeps its data twice, once under `..data`. Links are followed, each folder being read once. What is neither a
/// file nor a folder is passed over; a link that leads nowhere is in the answer, for whoever reads it to tell.
///
/// An error names the folder that could not be listed. That one unreadable subfolder fails the whole is meant: its
/// objects would look deleted otherwise.
pub fn folder(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    let mut waiting = vec![dir.to_owned()];
    while let Some(folder) = waiting.pop() {
        match list(&folder, &mut seen) {
            Ok(entries) => {
                for (path, is_folder) in entries {
                    if is_folder {
                        waiting.push(path);
                    } else {
                        files.push(path);
                    }
                }
            }
            // A subfolder that was removed since its parent was listed is no longer there, and that is all.
            Err(error) if error.kind() == io::ErrorKind::NotFound && folder != dir => {}
            Err(error) => {
                return Err(io::Error::new(
                    error.kind(),
                    format!("{}: {error}", folder.display()),
                ));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Reads one file; what cannot be opened or read is a problem at 1:1.
pub fn read(path: &Path) -> Reading {
    let name = path.to_string_lossy();
    match bytes(path) {
        Ok(text) => parse(&name, &text),
        Err(error) => unreadable(&name, &error),
    }
}

pub(super) fn unreadable(name: &str, error: &io::Error) -> Reading {
    let mut reading = Reading::default();
    let message = format!("cannot be read: {error}");
    reading.fault(&name.into(), Fault::new(Place { line: 1, column: 1 }, message));
    reading
}

/// A file's bytes, up to one more than are read: the parser refuses what is too large.
pub(super) fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?
        .take(MAX_BYTES as u64 + 1)
        .read_to_end(&mut text)?;
    Ok(text)
}

/// The entries of one folder that matter, each with whether it is a folder itself; none when it was listed before.
fn list(folder: &Path, seen: &mut HashSet<(u64, u64)>) -> io::Result<Vec<(PathBuf, bool)>> {
    let own = fs::metadata(folder)?;
    if !seen.insert((own.dev(), own.ino())) {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match fs::metadata(&path) {
                Ok(metadata) => kind = metadata.file_type(),
                Err(_) if holds_documents(&path) => {
                    entries.push((path, false));
                    continue;
                }
                Err(_) => continue,
            }
        }
        if kind.is_dir() {
            entries.push((path, true));
        } else if kind.is_file() && holds_documents(&path) {
            entries.push((path, false));
        }
    }
    // Which of two links to one folder is followed must not depend on the disk; the last one waits on top.
    entries.sort_by(|left, right| right.cmp(left));
    Ok(entries)
}

fn holds_documents(path: &Path) -> bool {
    path.extension()
        .and_then(|ending| ending.to_str())
        .is_some_and(|ending| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| ending.eq_ignore_ascii_case(known))
        })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let files = folder(dir).unwrap();
        files
            .iter()
            .map(|path| path.strip_prefix(dir).unwrap().display().to_string())
            .collect()
    }

    #[test]
    fn lists_documents_of_subfolders_by_name_and_nothing_hidden() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        for name in ["b/c", ".git", "d.yaml", "..2026"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        for name in [
            "z.yaml",
            "a.YML",
            "b/c/x.json",
            "b-a.yaml",
            "b/y.yaml",
            "d.yaml/e.yaml",
            "README.md",
            "yaml",
        ] {
            fs::write(dir.join(name), "").unwrap();
        }
        for name in [".hidden.yaml", ".git/a.yaml", "..2026/m.yaml", "b/.swp.yaml"] {
            fs::write(dir.join(name), "").unwrap();
        }
        assert_eq!(
            names(dir),
            [
                "a.YML",
                "b/c/x.json",
                "b/y.yaml",
                "b-a.yaml",
                "d.yaml/e.yaml",
                "z.yaml"
            ]
        );
    }

    #[test]
    fn follows_links_and_no_circle() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path();
        fs::create_dir_all(dir.join("..2026")).unwrap();
        fs::write(dir.join("..2026/m.yaml"), "a: 1").unwrap();
        symlink("..2026", dir.join("..data")).unwrap();
        symlink("..data/m.yaml", dir.join("m.yaml")).unwrap();
        symlink("nowhere", dir.join("gone.yaml")).unwrap();
        symlink("nowhere", dir.join("gone")).unwrap();
        fs::create_dir(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/s.yaml"), "").unwrap();
        symlink("..", dir.join("sub/up")).unwrap();
        symlink("sub", dir.join("also")).unwrap();
        assert_eq!(names(dir), ["also/s.yaml", "gone.yaml", "m.yaml"]);
        assert_eq!(read(&dir.join("m.yaml")).documents.len(), 1);
        let gone = read(&dir.join("gone.yaml")).problems;
        assert!(
            gone[0]
                .to_string()
                .ends_with("gone.yaml:1:1: cannot be read: No such file or directory (os error 2)")
        );
    }

    #[test]
    fn names_the_folder_that_is_not_there() {
        let root = tempfile::tempdir().unwrap();
        let error = folder(&root.path().join("none")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().contains("none: No such file"), "{error}");
    }
}
