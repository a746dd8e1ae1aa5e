//! Cuts a stream into the parts that are parsed on their own, at its `---` and `...` lines.

use super::Place;

/// A part of a stream: one document, with its comments and its `---` line, without a `...` line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'t> {
    /// The line of the file on which the part starts, from 1.
    pub(super) line: usize,
    /// The part's text.
    pub(super) text: &'t [u8],
}

impl Part<'_> {
    /// The place of the byte at `offset`, up to which the part is UTF-8.
    pub(super) fn place_at(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = self.line + count_lines(before);
        let tail = before.rsplit(|byte| *byte == b'\n').next().unwrap_or(before);
        let column = 1 + std::str::from_utf8(tail).map_or(tail.len(), |tail| tail.chars().count());
        Place { line, column }
    }
}

/// The parts of a stream.
///
/// A marker ends a document wherever it stands at the start of a line, even inside a quoted text, so cutting there
/// before parsing cannot cut a document in two; it keeps what is wrong with one document from the others. Comments
/// and directives belong to the document that follows them.
pub(super) fn parts(text: &[u8]) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let mut has_content = false;
    let mut at = 0;
    for (number, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let end = at + line.len();
        if is_marker(line, b"---") && has_content {
            parts.push(Part {
                line: start_line,
                text: &text[start..at],
            });
            (start, start_line) = (at, number + 1);
            has_content = true;
        } else if is_marker(line, b"...") && is_preamble(&line[3..]) {
            parts.push(Part {
                line: start_line,
                text: &text[start..at],
            });
            (start, start_line) = (end, number + 2);
            has_content = false;
        } else if !has_content {
            has_content = !is_preamble(line);
        }
        at = end;
    }
    if start < text.len() {
        parts.push(Part {
            line: start_line,
            text: &text[start..],
        });
    }
    parts
}

fn is_marker(line: &[u8], marker: &[u8]) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
}

/// Whether a line is blank, a comment or a directive.
fn is_preamble(line: &[u8]) -> bool {
    line.starts_with(b"%") || line.trim_ascii_start().first().is_none_or(|byte| *byte == b'#')
}

fn count_lines(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_at_markers_and_keeps_what_precedes_a_document_with_it() {
        let cases: &[(&str, &[(usize, &str)])] = &[
            ("", &[]),
            ("a\n", &[(1, "a\n")]),
            ("a\n---\nb", &[(1, "a\n"), (2, "---\nb")]),
            ("---\na\n--- b\n", &[(1, "---\na\n"), (3, "--- b\n")]),
            ("# c\n%YAML 1.1\n\n---\na", &[(1, "# c\n%YAML 1.1\n\n---\na")]),
            ("---\n---\na", &[(1, "---\n"), (2, "---\na")]),
            (
                "a\n...\n%YAML 1.1\n---\nb",
                &[(1, "a\n"), (3, "%YAML 1.1\n---\nb")],
            ),
            (
                "a: |\n  ---\n  x\n----\n---x\n ---\n",
                &[(1, "a: |\n  ---\n  x\n----\n---x\n ---\n")],
            ),
            ("a\r\n---\r\nb\r\n", &[(1, "a\r\n"), (2, "---\r\nb\r\n")]),
            ("a\n... x\n", &[(1, "a\n... x\n")]),
            ("a\n---", &[(1, "a\n"), (2, "---")]),
        ];
        for (text, expected) in cases {
            let found: Vec<_> = parts(text.as_bytes())
                .iter()
                .map(|part| (part.line, str::from_utf8(part.text).unwrap()))
                .collect();
            assert_eq!(found, *expected, "{text:?}");
        }
    }

    #[test]
    fn places_a_byte_by_line_and_character() {
        let part = Part {
            line: 5,
            text: "é: x\nüü\u{1f600}z".as_bytes(),
        };
        assert_eq!(part.place_at(0), Place { line: 5, column: 1 });
        assert_eq!(part.place_at(2), Place { line: 5, column: 2 });
        assert_eq!(
            part.place_at("é: x\nüü\u{1f600}".len()),
            Place { line: 6, column: 4 }
        );
    }
}
