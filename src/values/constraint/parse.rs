//! The grammar of constraints.

use super::{Bound, Operator, Precision};
use crate::values::version::Version;

/// Longest first, so that `>=` is not read as `>`.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::AtLeast),
    ("=>", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=<", Operator::AtMost),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// Reads `bounds || bounds …`, or nothing when the text has another form.
pub(super) fn alternatives(text: &str) -> Option<Vec<Vec<Bound>>> {
    text.split("||")
        .enumerate()
        .map(|(place, text)| bounds(text, place == 0))
        .collect()
}

/// Reads bounds and ranges divided by blanks or commas.
///
/// Masterminds finds ranges before it finds anything else: behind a blank alone it refuses one, and `1||2 - 3` it
/// takes for `>=1 || 2 <=3`. Both are refused here: what is read at all is read as there.
fn bounds(text: &str, first: bool) -> Option<Vec<Bound>> {
    let mut bounds = Vec::new();
    let mut rest = skip_blanks(text);
    let mut range_may_stand = first || rest.len() < text.len();
    loop {
        let (operator, after) = operator(rest);
        let (version, after) = Written::read(skip_blanks(after))?;
        let after = match range_end(after) {
            None => {
                bounds.push(version.bound(operator.unwrap_or(Operator::Equal))?);
                after
            }
            Some((to, after)) if range_may_stand && operator.is_none() => {
                bounds.push(version.bound(Operator::AtLeast)?);
                bounds.push(to.bound(Operator::AtMost)?);
                after
            }
            Some(_) => return None,
        };
        rest = skip_blanks(after);
        if rest.is_empty() {
            return Some(bounds);
        }
        let comma = rest.strip_prefix(',');
        if comma.is_none() && rest.len() == after.len() {
            return None;
        }
        range_may_stand = comma.is_some();
        rest = comma.map_or(rest, skip_blanks);
    }
}

fn operator(text: &str) -> (Option<Operator>, &str) {
    (OPERATORS.iter())
        .find_map(|(sign, operator)| Some((Some(*operator), text.strip_prefix(sign)?)))
        .unwrap_or((None, text))
}

/// Reads the ` - 2.3` of a hyphen range. The blanks are part of it: `1-2` is a prerelease.
fn range_end(text: &str) -> Option<(Written<'_>, &str)> {
    let after = skip_some_blanks(text)?.strip_prefix('-')?;
    Written::read(skip_some_blanks(after)?)
}

/// A version in a constraint, before its wildcards are worked out.
struct Written<'a> {
    whole: &'a str,
    /// Major, minor, patch; empty where missing.
    parts: [&'a str; 3],
    /// With its `-`, or empty.
    prerelease: &'a str,
}

impl<'a> Written<'a> {
    /// Reads as much of the text as a version can take, and gives the rest.
    fn read(text: &'a str) -> Option<(Self, &'a str)> {
        let mut rest = text.strip_prefix('v').unwrap_or(text);
        let mut parts = [""; 3];
        for (place, part) in parts.iter_mut().enumerate() {
            let Some(begun) = (if place == 0 {
                Some(rest)
            } else {
                rest.strip_prefix('.')
            }) else {
                break;
            };
            let end = begun
                .find(|c: char| !c.is_ascii_digit() && !is_wildcard_char(c))
                .unwrap_or(begun.len());
            if end == 0 {
                break;
            }
            (*part, rest) = begun.split_at(end);
        }
        if parts[0].is_empty() {
            return None;
        }
        let (prerelease, rest) = rest.split_at(identifiers(rest, '-'));
        let rest = &rest[identifiers(rest, '+')..];
        let whole = &text[..text.len() - rest.len()];
        Some((
            Self {
                whole,
                parts,
                prerelease,
            },
            rest,
        ))
    }

    fn bound(&self, operator: Operator) -> Option<Bound> {
        let [major, minor, patch] = self.parts;
        let open = |part: &str| matches!(part, "" | "x" | "X" | "*");
        let pre = self.prerelease;
        let (precision, version) = if open(major) {
            (Precision::Nothing, format!("0.0.0{pre}"))
        } else if open(minor) {
            (Precision::Major, format!("{major}.0.0{pre}"))
        } else if open(patch) {
            (Precision::Minor, format!("{major}.{minor}.0{pre}"))
        } else {
            (Precision::Patch, self.whole.to_owned())
        };
        Some(Bound {
            operator,
            version: Version::parse_lenient(&version).ok()?,
            precision,
        })
    }
}

fn is_wildcard_char(c: char) -> bool {
    matches!(c, 'x' | 'X' | '*')
}

/// The length of a prerelease or of metadata at the start of the text, its mark included; 0 when there is none.
fn identifiers(text: &str, mark: char) -> usize {
    let mut length = 0;
    let mut begins = mark;
    while let Some(identifier) = text[length..].strip_prefix(begins) {
        let end = identifier
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '-')
            .unwrap_or(identifier.len());
        if end == 0 {
            break;
        }
        length += begins.len_utf8() + end;
        begins = '.';
    }
    length
}

/// The blanks of Go's `\s`.
fn skip_blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t', '\n', '\r', '\x0c'])
}

fn skip_some_blanks(text: &str) -> Option<&str> {
    let rest = skip_blanks(text);
    (rest.len() < text.len()).then_some(rest)
}
