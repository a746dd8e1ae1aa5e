//! YAML and JSON files of Kubernetes objects, read with the place (line, column) of every field.
//!
//! Values are what kubectl would send: its reader is YAML 1.1 with the habits of Go's `sigs.k8s.io/yaml`,
//! so a bare `yes` is a boolean and a bare date stays text. Unlike kubectl, a document remembers
//! where each field stands, so that whatever is found wrong later can be told as file, line and column, and
//! duplicate keys are findings of their own: the last one wins, the others are in [`Document::duplicates`].
//!
//! One broken document costs only itself: a stream is cut at its `---` lines before anything is parsed.

mod files;
mod follower;
mod json;
mod list;
mod scalar;
mod split;
#[cfg(test)]
mod tests;
mod tree;
mod yaml;

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use files::{folder, read};
pub use follower::{Changes, Follower};

use tree::Tree;

/// The largest file that is read, in bytes. Everything in a cluster's etcd (8 GiB at most) but what matters here:
/// 20,000 objects are 5 MB.
pub const MAX_BYTES: usize = 64 << 20;

/// How deep values may nest, in levels, aliases expanded: the limit that `serde_json` sets for reviews too.
pub const MAX_DEPTH: usize = 128;

/// A place in a file. Both count from 1; columns count characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character within the line.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One object of a file: a document, or an item of a `List` in it.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as the user named it; standard input is `<stdin>`.
    pub file: Arc<str>,
    /// The object, always a JSON object. Of duplicate keys it holds the last one.
    pub value: Value,
    tree: Arc<Tree>,
    root: u32,
    duplicates: Vec<Duplicate>,
}

impl Document {
    /// Where the document (or the item of a `List`) starts: at its first key, or at its `{`.
    pub fn start(&self) -> Place {
        self.tree.place(self.root)
    }

    /// Where a field stands: its key, or the start of a list's item.
    ///
    /// The field is named as causes name it: `spec.update.windows[0].from`,
    /// `metadata.annotations[modules.deckhouse.io/approved]`. When it is not there, the place is that of its
    /// nearest ancestor that is; in the end the document's start. A field that comes out of an alias or a merge
    /// stands where its anchor is defined.
    pub fn place_of(&self, field: &str) -> Place {
        self.tree.find(self.root, field)
    }

    /// The keys that an object of this document has twice, each occurrence after the first; at most a hundred.
    pub fn duplicates(&self) -> &[Duplicate] {
        &self.duplicates
    }
}

/// A key that stands in its object a second time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The field, written as in causes: `spec.settings.port`.
    pub path: String,
    /// Where the repeated key stands.
    pub place: Place,
}

/// A file, or a part of it, that gave no object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it; standard input is `<stdin>`.
    pub file: Arc<str>,
    /// Where reading stopped; 1:1 when the file could not be read at all.
    pub place: Place,
    /// What is wrong, in one line.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.place, self.message)
    }
}

/// What a file holds.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The objects in the order of the file, `List`s opened.
    pub documents: Vec<Document>,
    /// What could not be read, in the order of the file.
    pub problems: Vec<Problem>,
}

/// What keeps one document from being read: where, and why.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    place: Place,
    message: String,
}

impl Fault {
    fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }
}

/// Reads the text of a file.
///
/// `file` is the name to tell people, `-` standing for standard input; when it ends in `.json` the text has to be
/// JSON, else a text that starts like JSON is tried as JSON first, as kubectl does. Empty documents are passed over.
pub fn parse(file: &str, text: &[u8]) -> Reading {
    let file: Arc<str> = if file == "-" {
        "<stdin>".into()
    } else {
        file.into()
    };
    let mut reading = Reading::default();
    let first = Place { line: 1, column: 1 };
    if text.len() > MAX_BYTES {
        let fault = Fault::new(first, format!("is larger than {} MiB", MAX_BYTES >> 20));
        reading.fault(&file, fault);
        return reading;
    }
    let json_only = file
        .rsplit_once('.')
        .is_some_and(|(_, ending)| ending.eq_ignore_ascii_case("json"));
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut expansion = yaml::Expansion::default();
    for part in split::parts(text) {
        let text = match std::str::from_utf8(part.text) {
            Ok(text) => text,
            Err(error) => {
                let place = part.place_at(error.valid_up_to());
                reading.fault(
                    &file,
                    Fault::new(place, "is not UTF-8 text; save the file as UTF-8"),
                );
                continue;
            }
        };
        let mut found = Vec::new();
        let outcome = read_part(text, part.line, json_only, &mut expansion, &mut found);
        for (tree, value) in found {
            list::open(&file, tree, value, &mut reading);
        }
        if let Err(fault) = outcome {
            reading.fault(&file, fault);
        }
    }
    reading
}

impl Reading {
    fn fault(&mut self, file: &Arc<str>, Fault { place, message }: Fault) {
        self.problems.push(Problem {
            file: file.clone(),
            place,
            message,
        });
    }
}

/// Reads one part of a stream; what was read before a fault is in `found` all the same.
fn read_part(
    text: &str,
    line: usize,
    json_only: bool,
    expansion: &mut yaml::Expansion,
    found: &mut Vec<(Tree, Value)>,
) -> Result<(), Fault> {
    let start = json::start(text);
    if json_only || start.is_some() {
        let result = json::read(text, start.unwrap_or(0), line, found);
        match result {
            Ok(()) => return Ok(()),
            Err(fault) if json_only || !found.is_empty() => return Err(fault),
            // A flow mapping of YAML, or broken JSON: a text that looks like JSON further on is told in JSON's words.
            Err(fault) => {
                return match yaml::read(text, line, expansion, found) {
                    Err(_) if json::likely(text) => Err(fault),
                    result => result,
                };
            }
        }
    }
    yaml::read(text, line, expansion, found)
}
