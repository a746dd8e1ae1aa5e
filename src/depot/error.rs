//! What can go wrong, and in whose words.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Names longer than this are cut in messages.
const SHOWN: usize = 200;

/// An image could not be put on disk or looked into. Nothing of it stays, and what was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The image itself is not acceptable (rule REG-6): another try gets the same answer.
    #[error("refused image {image}: {refusal}")]
    Refused {
        /// The image as its user knows it.
        image: String,
        /// What was refused and why.
        refusal: Refusal,
    },
    /// The layer's stream ended with an error of the registry or the connection.
    #[error("cannot read layer {layer} of {image}")]
    Stream {
        /// The image as its user knows it.
        image: String,
        /// The layer's digest.
        layer: String,
        /// What the stream said.
        source: Box<dyn Error + Send + Sync>,
    },
    /// What came is not what the resolved digest names (rule REG-5).
    #[error("layer {layer} of {image} came with other bytes: their digest is {actual}")]
    Digest {
        /// The image as its user knows it.
        image: String,
        /// The digest that was asked for.
        layer: String,
        /// The digest of what came.
        actual: String,
    },
    /// The layer is shorter or longer than its manifest says.
    #[error("layer {layer} of {image} came with {actual} bytes, its manifest says {expected}")]
    Length {
        /// The image as its user knows it.
        image: String,
        /// The layer's digest.
        layer: String,
        /// Bytes that came; when there were too many, as many as had come when that was noticed.
        actual: u64,
        /// Bytes that the manifest says.
        expected: u64,
    },
    /// The disk refused: full, read-only, failing.
    #[error("cannot {doing}")]
    Disk {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The names are wrong or the folder is not ours to write to.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The thread that unpacks ended without an answer.
    #[error("unpacking {image} was interrupted")]
    Interrupted {
        /// The image as its user knows it.
        image: String,
    },
}

/// What of an image was refused, and why: `entry "<name>": <why>`, or `layer <digest>: <why>` where no entry is to blame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The entry's name, printable; `None` when the layer as a whole is refused.
    pub entry: Option<String>,
    /// Digest of the layer.
    pub layer: String,
    /// Lower case, no final stop.
    pub why: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "entry \"{entry}\": {}", self.why),
            None => write!(f, "layer {}: {}", self.layer, self.why),
        }
    }
}

/// The depot's folder could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error("cannot {doing}")]
    Disk {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Two writers on one folder would sweep each other's work.
    #[error("\"{}\" is in use by another process", dir.display())]
    InUse {
        /// The depot's folder.
        dir: PathBuf,
    },
    /// The name would not be a folder of its own.
    #[error(
        "\"{name}\" is no module name: lower-case letters, digits and dashes, at most 63, and not \"modules\""
    )]
    ModuleName {
        /// What was given.
        name: String,
    },
    /// A digest of a kind that this program does not check.
    #[error("\"{digest}\" is no sha256 digest: \"sha256:\" and 64 lower-case hex digits")]
    DigestForm {
        /// What was given.
        digest: String,
    },
    /// The version is not on disk.
    #[error("{key} of module \"{module}\" is not on disk")]
    Absent {
        /// The module.
        module: String,
        /// Its folder.
        key: String,
    },
    /// The folder to fill has something in it.
    #[error("\"{}\" is not empty: choose another folder, or replace it", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The blocking thread ended without an answer.
    #[error("the work on \"{}\" was interrupted", dir.display())]
    Interrupted {
        /// The folder.
        dir: PathBuf,
    },
}

impl StoreError {
    /// For `map_err`: what was being done, with the system's answer as its source.
    pub(super) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

/// What ends the unpacking thread; [`UnpackError`] adds the names that the thread does not know.
#[derive(Debug)]
pub(super) enum Fault {
    /// The image is not acceptable.
    Refused {
        entry: Option<String>,
        why: String,
        /// The bytes make no archive. They may have been damaged on the way, so the digest has the first word.
        broken: bool,
    },
    /// The disk refused.
    Disk { doing: String, source: io::Error },
    /// A name or the folder is wrong.
    Store(StoreError),
    /// The other side stopped sending; it knows why.
    Cut,
}

impl Fault {
    pub(super) fn refused(entry: &str, why: impl Into<String>) -> Self {
        Self::Refused {
            entry: Some(shown(entry.as_bytes())),
            why: why.into(),
            broken: false,
        }
    }

    pub(super) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A name from outside, fit for a message: printable, no line breaks, not endless.
pub(super) fn shown(name: &[u8]) -> String {
    let mut text = String::new();
    for chunk in name.utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(|c| {
            // Letters of any script stay; quotes, backslashes and control characters are escaped.
            if c.is_ascii() || c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        }));
        text.extend(chunk.invalid().escape_ascii().map(char::from));
        if text.len() > SHOWN {
            break;
        }
    }
    if text.len() > SHOWN {
        let end = (0..=SHOWN)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_names_without_line_breaks_and_quotes() {
        assert_eq!(shown(b"a\n\"b\"\xff"), "a\\n\\\"b\\\"\\xff");
        assert_eq!(shown("модуль/é".as_bytes()), "модуль/é");
        assert_eq!(shown("я".repeat(300).as_bytes()).chars().last(), Some('…'));
    }

    #[test]
    fn names_the_image_the_entry_and_the_reason() {
        let error = UnpackError::Refused {
            image: "registry.example.com/modules/a:v1".to_owned(),
            refusal: Refusal {
                entry: Some("../x".to_owned()),
                layer: String::new(),
                why: "it leaves".to_owned(),
            },
        };
        assert_eq!(
            error.to_string(),
            "refused image registry.example.com/modules/a:v1: entry \"../x\": it leaves"
        );
    }
}
