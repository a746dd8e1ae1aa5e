//! What can be wrong with an image's bytes, and in whose words.

use std::error::Error;
use std::fmt;

/// Names longer than this are cut in messages.
const SHOWN: usize = 200;

/// An image could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
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
    /// A digest that cannot be checked is not trusted.
    #[error(
        "\"{digest}\" is no digest that can be checked: an algorithm (sha256, sha384, sha512), \":\", and its hex digits"
    )]
    DigestForm {
        /// What the manifest says.
        digest: String,
    },
    /// The thread that reads ended without an answer.
    #[error("reading {image} was interrupted")]
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

/// What ends the reading thread; [`ReadError`] adds the names that the thread does not know.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The image is not acceptable.
    Refused {
        entry: Option<String>,
        why: String,
        /// The bytes make no archive. They may have been damaged on the way, so the digest has the first word.
        broken: bool,
    },
    /// The other side stopped sending; it knows why.
    Cut,
}

impl Fault {
    pub(crate) fn refused(entry: &str, why: impl Into<String>) -> Self {
        Self::Refused {
            entry: Some(shown(entry.as_bytes())),
            why: why.into(),
            broken: false,
        }
    }
}

/// What may end the work on an image's bytes: a [`Fault`] of theirs, or one of whoever works.
pub(crate) trait Failure: From<Fault> + Send + 'static {
    /// The error that the caller gets.
    type Told: From<ReadError>;

    /// The fault of the bytes, or else what to tell.
    fn fault(self) -> Result<Fault, Self::Told>;
}

impl Failure for Fault {
    type Told = ReadError;

    fn fault(self) -> Result<Fault, ReadError> {
        Ok(self)
    }
}

/// A name from outside, fit for a message: printable, no line breaks, not endless.
pub(crate) fn shown(name: &[u8]) -> String {
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
        let error = ReadError::Refused {
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
