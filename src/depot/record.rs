//! The list of a folder's files and digests, written when it is unpacked and kept beside it, hidden: what is in the folder
//! stays exactly what the image holds.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};

use cap_std::fs::Dir;
use serde::{Deserialize, Serialize};

use crate::archive::{Image, Node, Tree, dir_mode, file_mode, hex};

/// Raised when lists of before can no longer be read; they then count as missing, and the version is pulled again.
const FORMAT: u32 = 1;
/// No list of an image within the default limits is larger, in bytes.
const LARGEST: u64 = 1 << 30;

/// What was unpacked, from which image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    format: u32,
    /// Reference, for people.
    pub(super) image: String,
    /// Digest of the image.
    pub(super) digest: String,
    /// Bytes of all files.
    pub(super) bytes: u64,
    pub(super) entries: BTreeMap<String, Line>,
}

/// One path of the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    Dir { mode: u32 },
    File { mode: u32, size: u64, sha256: String },
    Link { target: String },
}

impl Record {
    pub(super) fn new(image: &Image, tree: &Tree) -> Self {
        let entries = tree
            .iter()
            .map(|(path, node)| {
                let line = match node {
                    Node::Dir { mode } => Line::Dir {
                        mode: dir_mode(*mode),
                    },
                    Node::File { mode, size, sha256 } => Line::File {
                        mode: file_mode(*mode),
                        size: *size,
                        // A file without a digest verifies as little as one with another.
                        sha256: sha256.as_ref().map(|digest| hex(digest)).unwrap_or_default(),
                    },
                    Node::Link { target } => Line::Link {
                        target: target.clone(),
                    },
                };
                (path.to_owned(), line)
            })
            .collect();
        Self {
            format: FORMAT,
            image: image.reference.clone(),
            digest: image.digest.clone(),
            bytes: tree.bytes(),
            entries,
        }
    }

    /// Writes the list as JSON. Not durable yet.
    pub(super) fn write(&self, dir: &Dir, name: &str) -> io::Result<()> {
        let mut file = BufWriter::new(dir.create(name)?);
        serde_json::to_writer(&mut file, self)?;
        file.flush()
    }

    /// Reads a list; one that is cut, damaged or of another format is an error.
    pub(super) fn read(dir: &Dir, name: &str) -> io::Result<Self> {
        let size = dir.symlink_metadata(name)?.len();
        if size > LARGEST {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the list of files is too large",
            ));
        }
        let record: Self = serde_json::from_slice(&dir.read(name)?)?;
        if record.format != FORMAT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the list of files has another format",
            ));
        }
        Ok(record)
    }
}
