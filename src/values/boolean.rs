//! Booleans in annotations, as Go's `strconv.ParseBool` reads them (rules MC-11 and MR-3).

use super::quoted::quoted;

/// Every spelling that [`parse_bool`] reads, true ones first, for messages.
pub const BOOLEAN_WORDS: [&str; 12] = [
    "1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False",
];

/// A text that is none of [`BOOLEAN_WORDS`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a boolean, write one of {}", quoted(.0), BOOLEAN_WORDS.join(", "))]
pub struct ParseBoolError(String);

/// Reads one of [`BOOLEAN_WORDS`], nothing else: no blanks around it, no `yes`.
pub fn parse_bool(text: &str) -> Result<bool, ParseBoolError> {
    match BOOLEAN_WORDS.iter().position(|word| *word == text) {
        Some(place) => Ok(place < BOOLEAN_WORDS.len() / 2),
        None => Err(ParseBoolError(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_words_of_go() {
        for word in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(parse_bool(word), Ok(true));
        }
        for word in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(parse_bool(word), Ok(false));
        }
    }

    #[test]
    fn rejects_other_words() {
        for word in ["", "yes", "tRUE", "on", " true", "true\n", "2"] {
            assert!(parse_bool(word).is_err(), "{word}");
        }
        assert_eq!(
            parse_bool("yes").unwrap_err().to_string(),
            r#""yes" is not a boolean, write one of 1, t, T, TRUE, true, True, 0, f, F, FALSE, false, False"#
        );
    }
}
