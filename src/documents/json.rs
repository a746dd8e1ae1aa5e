//! Reads JSON: the values by `serde_json`, the places by a walk over what it accepted.

use serde_json::Value;
use serde_json::error::Category;

use super::tree::{Key, Kind, Tree};
use super::{Fault, Place};

/// Where the JSON starts in a text that begins like JSON, behind white space and a `---` line.
pub(super) fn start(text: &str) -> Option<usize> {
    let rest = text.trim_start();
    let rest = rest.strip_prefix("---").map_or(rest, str::trim_start);
    rest.starts_with(['{', '[']).then_some(text.len() - rest.len())
}

/// Whether a text that is neither JSON nor YAML was meant to be JSON: its first key or item is in quotes.
pub(super) fn likely(text: &str) -> bool {
    let inner = text
        .trim_start()
        .trim_start_matches("---")
        .trim_start()
        .trim_start_matches(['{', '[', ' ', '\n', '\r', '\t']);
    inner.is_empty() || inner.starts_with(['"', '}', ']'])
}

/// Reads the JSON documents of a text, one after the other, from the byte `start`; the text's first line is `line`.
pub(super) fn read(
    text: &str,
    start: usize,
    line: usize,
    found: &mut Vec<(Tree, Value)>,
) -> Result<(), Fault> {
    let mut walker = Walker::new(text, line);
    walker.advance_to(start);
    let mut stream = serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
    loop {
        match stream.next() {
            None => return Ok(()),
            Some(Ok(value)) => {
                walker.skip_space();
                found.push((walker.tree(), value));
                walker.advance_to(start + stream.byte_offset());
            }
            Some(Err(error)) => {
                let offset = start + offset_of(&text[start..], error.line(), error.column());
                walker.advance_to(offset.max(walker.at));
                return Err(Fault::new(walker.place(), message(&error)));
            }
        }
    }
}

/// The byte that an error of `serde_json` means: its lines count from 1, its columns are bytes up to and with the
/// offending one.
fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    (before + column.saturating_sub(1)).min(text.len())
}

/// The words of an error, without the place, which is relative to the part.
fn message(error: &serde_json::Error) -> String {
    let words = error.to_string();
    let words = words
        .rsplit_once(" at line ")
        .map_or(words.as_str(), |(words, _)| words);
    match error.classify() {
        Category::Eof => format!("the JSON ends too early: {words}"),
        _ if words.starts_with("recursion limit") => format!("nests deeper than {} levels", super::MAX_DEPTH),
        _ => format!("is not JSON: {words}"),
    }
}

/// Walks over JSON that is known to be well-formed.
struct Walker<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    column: usize,
}

impl<'t> Walker<'t> {
    fn new(text: &'t str, line: usize) -> Self {
        Self {
            text,
            at: 0,
            line,
            column: 1,
        }
    }

    fn place(&self) -> Place {
        Place {
            line: self.line,
            column: self.column,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn advance_to(&mut self, end: usize) {
        let end = end.min(self.text.len());
        for byte in &self.text.as_bytes()[self.at.min(end)..end] {
            if *byte == b'\n' {
                self.line += 1;
                self.column = 1;
            } else if byte & 0xc0 != 0x80 {
                // Bytes that continue a character take no column of their own.
                self.column += 1;
            }
        }
        self.at = self.at.max(end);
    }

    fn skip_space(&mut self) {
        self.skip_while(|byte| byte.is_ascii_whitespace());
    }

    fn skip_while(&mut self, skip: impl Fn(u8) -> bool) {
        let rest = &self.text.as_bytes()[self.at..];
        let len = rest.iter().position(|byte| !skip(*byte)).unwrap_or(rest.len());
        self.advance_to(self.at + len);
    }

    /// The shape of the value that starts here.
    fn tree(&mut self) -> Tree {
        let mut tree = Tree::default();
        // Open lists and mappings, with the key that waits for its value.
        let mut open: Vec<u32> = Vec::new();
        let mut pending: Option<(Place, Key)> = None;
        loop {
            self.skip_space();
            let Some(byte) = self.peek() else { break };
            let in_map = open.last().is_some_and(|node| tree.kind(*node) == Kind::Map);
            match byte {
                b',' | b':' => {
                    self.advance_to(self.at + 1);
                    continue;
                }
                b'}' | b']' => {
                    self.advance_to(self.at + 1);
                    if let Some(node) = open.pop() {
                        tree.close(node);
                    }
                }
                b'"' if in_map && pending.is_none() => {
                    let place = self.place();
                    let quoted = self.string();
                    let plain = quoted.get(1..quoted.len() - 1).unwrap_or_default();
                    let key = if plain.contains('\\') {
                        tree.key(&serde_json::from_str::<String>(quoted).unwrap_or_default())
                    } else {
                        tree.key(plain)
                    };
                    pending = Some((place, key));
                    continue;
                }
                _ => {
                    let (place, key) = pending.take().unwrap_or((self.place(), Key::None));
                    match byte {
                        b'{' | b'[' => {
                            let kind = if byte == b'{' { Kind::Map } else { Kind::List };
                            open.push(tree.push(place, key, kind));
                            self.advance_to(self.at + 1);
                        }
                        b'"' => {
                            tree.push(place, key, Kind::Scalar(0));
                            self.string();
                        }
                        _ => {
                            tree.push(place, key, Kind::Scalar(0));
                            self.advance_to(self.at + 1);
                            self.skip_while(|byte| {
                                byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.')
                            });
                        }
                    }
                }
            }
            if open.is_empty() {
                break;
            }
        }
        tree
    }

    /// Passes over the string that starts here; it comes back with its quotes.
    fn string(&mut self) -> &'t str {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start + 1;
        while let Some(byte) = bytes.get(end) {
            match byte {
                b'"' => break,
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        self.advance_to(end + 1);
        self.text.get(start..self.at).unwrap_or("\"\"")
    }
}
