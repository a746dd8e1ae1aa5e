//! The names of modules, and how long a name may be that becomes a label.

use std::fmt;
use std::str::FromStr;

use super::quoted::quoted;

/// Most characters in an RFC 1123 label, and in the value of a Kubernetes label (rule MS-8).
pub const MAX_LABEL_LENGTH: usize = 63;

/// The folder of active links beside the modules' own folders (rule DISK-1), therefore no module's name.
const RESERVED: &str = "modules";

/// A module's name: an RFC 1123 label that is not `modules`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModuleName(String);

/// Why a text is no [`ModuleName`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseModuleNameError {
    /// Nothing was written.
    #[error("an empty module name, write lower-case letters, digits and '-'")]
    Empty,
    /// More than [`MAX_LABEL_LENGTH`] characters.
    #[error("{} is too long for a module name, write at most {MAX_LABEL_LENGTH} characters", quoted(.0))]
    TooLong(String),
    /// No RFC 1123 label.
    #[error(
        "{} is not a module name, write lower-case letters, digits and '-', with a letter or digit first and last",
        quoted(.0)
    )]
    Malformed(String),
    /// The one label that is taken.
    #[error("\"{RESERVED}\" is a reserved name, give the module another one")]
    Reserved,
}

impl ModuleName {
    /// Reads a name; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseModuleNameError> {
        if text.is_empty() {
            return Err(ParseModuleNameError::Empty);
        }
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !text.bytes().all(inner) || text.starts_with('-') || text.ends_with('-') {
            return Err(ParseModuleNameError::Malformed(text.to_owned()));
        }
        if text.len() > MAX_LABEL_LENGTH {
            return Err(ParseModuleNameError::TooLong(text.to_owned()));
        }
        if text == RESERVED {
            return Err(ParseModuleNameError::Reserved);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether an object's name is short enough to be a label's value (rule MS-8). Object names are RFC 1123 subdomains,
/// so their length is the only thing that can be in the way.
pub fn fits_label_value(name: &str) -> bool {
    name.len() <= MAX_LABEL_LENGTH
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for ModuleName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModuleName {
    type Err = ParseModuleNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accepts_labels() {
        for text in ["a", "0", "prometheus", "node-manager", "a--b", &"a".repeat(63)] {
            assert_eq!(ModuleName::parse(text).unwrap().as_str(), text);
        }
    }

    #[test]
    fn rejects_what_is_no_label() {
        for text in ["-a", "a-", "-", "A", "a.b", "a_b", "a b", "a/b", "ä", "a\n"] {
            assert_eq!(
                ModuleName::parse(text),
                Err(ParseModuleNameError::Malformed(text.into())),
                "{text}"
            );
        }
        assert_eq!(ModuleName::parse(""), Err(ParseModuleNameError::Empty));
        assert!(matches!(
            ModuleName::parse(&"a".repeat(64)),
            Err(ParseModuleNameError::TooLong(_))
        ));
    }

    #[test]
    fn rejects_the_reserved_name() {
        let refusal = ModuleName::parse("modules").unwrap_err().to_string();
        assert_eq!(
            refusal,
            r#""modules" is a reserved name, give the module another one"#
        );
    }

    #[test]
    fn counts_a_label_value() {
        assert!(fits_label_value(&"a".repeat(63)));
        assert!(!fits_label_value(&"a".repeat(64)));
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|[a-z0-9.-]{0,70}") {
            let form = regex::Regex::new("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$").unwrap();
            prop_assert_eq!(ModuleName::parse(&text).is_ok(), form.is_match(&text) && text != "modules");
        }
    }
}
