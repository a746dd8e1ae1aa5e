//! What somebody typed, fit to stand in a message.

use std::fmt;

/// Longest value, in characters, that a message repeats in full. Warnings may be 256 characters long (rule AD-3),
/// so a quarter of that leaves room for what is wrong and for the way out.
const SHOWN: usize = 64;

/// Wraps what somebody typed for a message: in double quotes, control characters escaped, and cut with `…` after
/// 64 characters.
pub fn quoted(value: &str) -> Quoted<'_> {
    Quoted(value)
}

/// The `Display` of [`quoted`].
#[derive(Debug, Clone, Copy)]
pub struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.char_indices().nth(SHOWN) {
            Some((cut, _)) => {
                let shown = format!("{:?}", &self.0[..cut]);
                write!(f, "{}…\"", &shown[..shown.len() - 1])
            }
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn repeats_a_short_value_in_quotes() {
        assert_eq!(quoted("a\n\"b\"").to_string(), r#""a\n\"b\"""#);
    }

    #[test]
    fn cuts_a_long_value() {
        let shown = quoted(&"é".repeat(100)).to_string();
        assert_eq!(shown, format!("\"{}…\"", "é".repeat(64)));
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_short(value in "\\PC*") {
            // Debug writes at most ten characters for one (`\u{10ffff}`).
            prop_assert!(quoted(&value).to_string().chars().count() <= 10 * SHOWN + 3);
        }
    }
}
