//! Tags of images.

use std::fmt;
use std::str::FromStr;

use super::quoted::quoted;

/// Most characters in a tag, by the OCI distribution specification.
const MAX_LENGTH: usize = 128;

/// An OCI tag: `[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}` (rule MPO-2).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageTag(String);

/// Why a text is no [`ImageTag`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseImageTagError {
    /// Nothing was written.
    #[error("an empty image tag, write one such as \"v1.2.3\" or \"main\"")]
    Empty,
    /// More than 128 characters.
    #[error("{} is too long for an image tag, write at most {MAX_LENGTH} characters", quoted(.0))]
    TooLong(String),
    /// The first character may only stand later.
    #[error("{} is not an image tag, begin it with a letter, a digit or '_'", quoted(.0))]
    Start(String),
    /// A character that no tag has.
    #[error("{} is not an image tag, leave out {character:?}: a tag has letters, digits, '_', '.' and '-'", quoted(.text))]
    Character {
        /// What was written.
        text: String,
        /// The first character that does not belong.
        character: char,
    },
}

impl ImageTag {
    /// Reads a tag; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseImageTagError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if let Some(character) = text.chars().find(|c| !allowed(*c)) {
            return Err(ParseImageTagError::Character {
                text: text.to_owned(),
                character,
            });
        }
        match text.bytes().next() {
            None => Err(ParseImageTagError::Empty),
            Some(b'.' | b'-') => Err(ParseImageTagError::Start(text.to_owned())),
            Some(_) if text.len() > MAX_LENGTH => Err(ParseImageTagError::TooLong(text.to_owned())),
            Some(_) => Ok(Self(text.to_owned())),
        }
    }

    /// The tag as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ImageTag {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ImageTag {
    type Err = ParseImageTagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_tags() {
        for text in ["v1.2.3", "main", "_", "PR-12", "0", &"a".repeat(128)] {
            assert_eq!(ImageTag::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_what_is_no_tag() {
        for text in [".a", "-a"] {
            assert_eq!(ImageTag::parse(text), Err(ParseImageTagError::Start(text.into())));
        }
        assert_eq!(ImageTag::parse(""), Err(ParseImageTagError::Empty));
        assert!(matches!(
            ImageTag::parse(&"a".repeat(129)),
            Err(ParseImageTagError::TooLong(_))
        ));
        assert_eq!(
            ImageTag::parse("mod:v1").unwrap_err().to_string(),
            r#""mod:v1" is not an image tag, leave out ':': a tag has letters, digits, '_', '.' and '-'"#
        );
    }

    proptest! {
        #[test]
        fn reads_what_the_specification_allows(text in "\\PC*|[A-Za-z0-9_.-]{0,130}") {
            let form = regex::Regex::new("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$").unwrap();
            prop_assert_eq!(ImageTag::parse(&text).is_ok(), form.is_match(&text));
        }
    }
}
