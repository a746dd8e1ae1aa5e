//! Whether two ways brought the same.

use sha2::{Digest, Sha256};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A checksum over a folder: names, contents, links, modes.
pub fn checksum(folder: &Path) -> io::Result<Vec<u8>> {
    let mut hasher = Sha256::new();
    walk(folder, &mut hasher)?;
    Ok(hasher.finalize().to_vec())
}

fn walk(folder: &Path, hasher: &mut Sha256) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, metadata) = (entry.path(), entry.metadata()?);
        hasher.update(entry.file_name().as_bytes());
        hasher.update([0]);
        if metadata.is_dir() {
            hasher.update(b"folder");
            walk(&path, hasher)?;
            hasher.update(b"..");
        } else if metadata.is_symlink() {
            hasher.update(fs::read_link(&path)?.as_os_str().as_bytes());
        } else {
            hasher.update(metadata.permissions().mode().to_le_bytes());
            hasher.update(Sha256::digest(fs::read(&path)?));
        }
    }
    Ok(())
}
