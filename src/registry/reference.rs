//! References as people type them: `registry.example.com/modules/echo:v1.0.0`.

use std::str::FromStr;

use oci_spec::distribution::{ParseError, Reference};

use super::endpoint::{Scheme, Source};
use super::repository::Name;
use crate::values::{ParseRepositoryError, Repository};

/// Where one image is: the host, the repository's path on it, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Host with an optional port.
    pub host: String,
    /// The repository's whole path.
    pub path: String,
    /// Tag or digest; a digest wins where both are given.
    pub name: Name,
}

/// A text that names no image.
#[derive(Debug, thiserror::Error)]
pub enum ParseReferenceError {
    /// It does not follow the grammar of references.
    #[error("\"{text}\" is no image reference, write HOST/PATH:TAG or HOST/PATH@DIGEST")]
    Grammar {
        /// What was typed.
        text: String,
        /// Why it is none.
        #[source]
        source: ParseError,
    },
    /// Its repository cannot be one: the grammar above takes an upper-case host without a dot for a part of the path.
    #[error(transparent)]
    Repository(#[from] ParseRepositoryError),
    /// Without a tag, `latest` would be meant, and modules have none.
    #[error("\"{0}\" names no tag, write HOST/PATH:TAG or HOST/PATH@DIGEST")]
    NoName(String),
    /// The digest is none.
    #[error("\"{0}\": the digest cannot be read")]
    Digest(String),
}

impl ImageReference {
    /// An anonymous source for its host, by the default scheme.
    pub fn source(&self, with_ca: bool) -> Source {
        Source::new(Scheme::default_for(&self.host, with_ca), &self.host, "")
    }
}

impl FromStr for ImageReference {
    type Err = ParseReferenceError;

    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let grammar = |source| ParseReferenceError::Grammar {
            text: text.to_owned(),
            source,
        };
        let reference: Reference = text.parse().map_err(grammar)?;
        let name = match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Name::Digest(
                digest
                    .parse()
                    .map_err(|_| ParseReferenceError::Digest(text.to_owned()))?,
            ),
            (None, Some(tag)) if text.ends_with(&format!(":{tag}")) => Name::tag(tag),
            _ => return Err(ParseReferenceError::NoName(text.to_owned())),
        };
        Repository::parse(&format!("{}/{}", reference.registry(), reference.repository()))?;
        Ok(Self {
            host: reference.registry().to_owned(),
            path: reference.repository().to_owned(),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_tags_and_digests() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = format!("registry.example.com/m/echo@{digest}");
        let both = format!("registry.example.com/m/echo:v1@{digest}");
        for (text, host, path, name) in [
            (
                "registry.example.com/m/echo:v1.0.0",
                "registry.example.com",
                "m/echo",
                "v1.0.0",
            ),
            ("localhost:5000/echo:x", "localhost:5000", "echo", "x"),
            (
                "127.0.0.1:5000/modules/echo/release:alpha",
                "127.0.0.1:5000",
                "modules/echo/release",
                "alpha",
            ),
            ("echo:x", "docker.io", "library/echo", "x"),
            (&by_digest, "registry.example.com", "m/echo", &digest),
            (&both, "registry.example.com", "m/echo", &digest),
        ] {
            let read: ImageReference = text.parse().unwrap();
            let name_text = read.name.to_string();
            assert_eq!(
                (read.host.as_str(), read.path.as_str(), name_text.as_str()),
                (host, path, name),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_names_no_image() {
        let upper = format!("registry.example.com/m@sha256:{}", "A".repeat(64));
        for text in [
            "",
            "registry.example.com/m/echo",
            "https://registry.example.com/m:v1",
            "registry.example.com/M:v1",
            "a:b:c/",
            "lOcalhost/a:b",
            &upper,
        ] {
            text.parse::<ImageReference>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn survives_any_text(text in "[ -~]{0,120}") {
            let _ = text.parse::<ImageReference>();
        }
    }
}
