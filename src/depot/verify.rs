//! Whether a folder is still what was unpacked (rule DISK-2).

use std::collections::BTreeMap;
use std::io::{self, Read};

use cap_std::fs::{Dir, MetadataExt, PermissionsExt};
use sha2::{Digest, Sha256};

use super::error::shown;
use super::record::{Line, Record, to_hex};
use super::store::Unpacked;

/// What is on disk for a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every file is what was unpacked, and there is nothing else.
    Verified(Unpacked),
    /// Something is missing, changed or added; pulling it again puts it right, also while it is active.
    Damaged {
        /// What was found first, for people.
        why: String,
    },
    /// There is no such folder.
    Absent,
}

/// `Ok(Some(why))` when the folder is not what its list says.
pub(super) fn compare(dir: &Dir, record: &Record) -> io::Result<Option<String>> {
    let mut buffer = vec![0; 128 * 1024];
    for (path, line) in &record.entries {
        if let Some(what) = differs(dir, path, line, &mut buffer)? {
            return Ok(Some(format!("\"{}\" {what}", shown(path.as_bytes()))));
        }
    }
    Ok(extra(dir, "", &record.entries)?
        .map(|path| format!("\"{}\" is no part of the image", shown(path.as_bytes()))))
}

fn differs(dir: &Dir, path: &str, line: &Line, buffer: &mut [u8]) -> io::Result<Option<&'static str>> {
    let metadata = match dir.symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Some("is missing"));
        }
        Err(error) => return Err(error),
    };
    let mode = metadata.permissions().mode() & 0o7777;
    Ok(match line {
        Line::Dir { .. } if !metadata.is_dir() => Some("is no folder any more"),
        Line::File { .. } if !metadata.is_file() => Some("is no file any more"),
        Line::Link { .. } if !metadata.is_symlink() => Some("is no link any more"),
        Line::Dir { mode: wanted } | Line::File { mode: wanted, .. } if mode != *wanted => {
            Some("has another mode")
        }
        Line::File { size, .. } if metadata.size() != *size => Some("has another size"),
        Line::File { sha256, .. } => (hash(dir, path, buffer)? != *sha256).then_some("has other content"),
        Line::Link { target } => {
            (dir.read_link_contents(path)?.as_os_str() != target.as_str()).then_some("leads elsewhere")
        }
        Line::Dir { .. } => None,
    })
}

fn hash(dir: &Dir, path: &str, buffer: &mut [u8]) -> io::Result<String> {
    let mut file = dir.open(path)?;
    let mut hasher = Sha256::new();
    loop {
        match file.read(buffer)? {
            0 => return Ok(to_hex(&hasher.finalize())),
            amount => hasher.update(&buffer[..amount]),
        }
    }
}

/// The first path that the list does not have.
fn extra(dir: &Dir, folder: &str, entries: &BTreeMap<String, Line>) -> io::Result<Option<String>> {
    for entry in dir.read_dir(if folder.is_empty() { "." } else { folder })? {
        let entry = entry?;
        let name = entry.file_name();
        // A name that is not UTF-8 cannot be in the list.
        let name = name.to_string_lossy();
        let path = if folder.is_empty() {
            name.into_owned()
        } else {
            format!("{folder}/{name}")
        };
        match entries.get(&path) {
            None => return Ok(Some(path)),
            Some(Line::Dir { .. }) => {
                if let Some(found) = extra(dir, &path, entries)? {
                    return Ok(Some(found));
                }
            }
            Some(_) => {}
        }
    }
    Ok(None)
}
