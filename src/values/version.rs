//! Semantic versions, with or without their `v`.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::quoted::quoted;

/// A semantic version. Prints without a `v`; [`Version::tag`] has one. Serde uses the printed text.
///
/// Order and equality take in build metadata, so that they agree with each other; [`Version::cmp_precedence`] leaves it
/// out as the specification does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(semver::Version);

/// A text that is no [`Version`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseVersionError {
    /// Nothing was written.
    #[error("an empty version, write one such as \"1.2.3\"")]
    Empty,
    /// A version to Masterminds' lenient eyes: parts are missing or have leading zeros.
    #[error("{} is not a semantic version, write {}", quoted(.text), quoted(&.meant.to_string()))]
    Lenient {
        /// What was written.
        text: String,
        /// The version it is likely to mean.
        meant: Version,
    },
    /// Anything else.
    #[error("{} is not a semantic version, write one such as \"1.2.3\"", quoted(.0))]
    Malformed(String),
}

impl Version {
    /// A version without prerelease and build metadata.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self(semver::Version::new(major, minor, patch))
    }

    /// Reads a complete semantic version; one leading `v` is fine.
    pub fn parse(text: &str) -> Result<Self, ParseVersionError> {
        match semver::Version::parse(without_v(text)) {
            Ok(version) => Ok(Self(version)),
            Err(_) => Err(match lenient(text) {
                Some(meant) => ParseVersionError::Lenient {
                    text: text.to_owned(),
                    meant,
                },
                None => complaint(text),
            }),
        }
    }

    /// Reads a version as Masterminds' `NewVersion` does: missing parts are 0 (`v1.2`, `1`), leading zeros are dropped.
    pub fn parse_lenient(text: &str) -> Result<Self, ParseVersionError> {
        lenient(text).ok_or_else(|| complaint(text))
    }

    /// The version with a `v`, as tags and module folders spell it.
    pub fn tag(&self) -> String {
        format!("v{}", self.0)
    }

    /// The first number.
    pub const fn major(&self) -> u64 {
        self.0.major
    }

    /// The second number.
    pub const fn minor(&self) -> u64 {
        self.0.minor
    }

    /// The third number.
    pub const fn patch(&self) -> u64 {
        self.0.patch
    }

    /// Whether something stands behind a `-`.
    pub fn is_prerelease(&self) -> bool {
        !self.0.pre.is_empty()
    }

    /// The release that this is or comes before: `1.2.3-rc.1` becomes `1.2.3`.
    #[must_use]
    pub fn without_prerelease(&self) -> Self {
        Self(semver::Version {
            pre: Prerelease::EMPTY,
            ..self.0.clone()
        })
    }

    /// Compares as the specification does, without regard to build metadata.
    pub fn cmp_precedence(&self, other: &Self) -> Ordering {
        self.0.cmp_precedence(&other.0)
    }

    /// The version in the terms of the `semver` crate.
    pub const fn as_semver(&self) -> &semver::Version {
        &self.0
    }
}

fn complaint(text: &str) -> ParseVersionError {
    if text.is_empty() {
        ParseVersionError::Empty
    } else {
        ParseVersionError::Malformed(text.to_owned())
    }
}

fn without_v(text: &str) -> &str {
    text.strip_prefix('v').unwrap_or(text)
}

fn lenient(text: &str) -> Option<Version> {
    // Metadata may hold a '-', a prerelease never a '+': cut from the right end.
    let (rest, build) = match without_v(text).split_once('+') {
        Some((rest, build)) => (
            rest,
            (!build.is_empty()).then(|| BuildMetadata::new(build).ok())??,
        ),
        None => (without_v(text), BuildMetadata::EMPTY),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, (!pre.is_empty()).then(|| Prerelease::new(pre).ok())??),
        None => (rest, Prerelease::EMPTY),
    };
    let mut numbers = [0; 3];
    let mut places = numbers.iter_mut();
    for part in core.split('.') {
        // `u64::from_str` would also take a sign.
        if !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *places.next()? = part.parse().ok()?;
    }
    let [major, minor, patch] = numbers;
    Some(Version(semver::Version {
        major,
        minor,
        patch,
        pre,
        build,
    }))
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl From<semver::Version> for Version {
    fn from(version: semver::Version) -> Self {
        Self(version)
    }
}

impl FromStr for Version {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap()
    }

    #[test]
    fn reads_with_and_without_v() {
        assert_eq!(version("v1.2.3"), Version::new(1, 2, 3));
        assert_eq!(version("1.2.3-rc.1+b").to_string(), "1.2.3-rc.1+b");
        assert_eq!(version("1.2.3").tag(), "v1.2.3");
    }

    #[test]
    fn rejects_incomplete_versions_and_offers_the_complete_one() {
        for (text, message) in [
            ("v1.2", r#""v1.2" is not a semantic version, write "1.2.0""#),
            ("01.2.3", r#""01.2.3" is not a semantic version, write "1.2.3""#),
            (
                "latest",
                r#""latest" is not a semantic version, write one such as "1.2.3""#,
            ),
            ("", r#"an empty version, write one such as "1.2.3""#),
        ] {
            assert_eq!(Version::parse(text).unwrap_err().to_string(), message);
        }
        for text in [
            "V1.2.3",
            "vv1.2.3",
            " 1.2.3",
            "1.2.3 ",
            "1.2.3.4",
            "1.2.3-",
            "1.2.3-01",
            "1.2.3+",
            "99999999999999999999.0.0",
        ] {
            assert!(
                matches!(Version::parse(text), Err(ParseVersionError::Malformed(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn reads_leniently() {
        for (text, meant) in [
            ("v1.2", "1.2.0"),
            ("1", "1.0.0"),
            ("1-a+b-c", "1.0.0-a+b-c"),
            ("007", "7.0.0"),
            ("1.2.3", "1.2.3"),
        ] {
            assert_eq!(Version::parse_lenient(text).unwrap().to_string(), meant);
        }
        for text in [
            "", "v", "1.", ".1", "1..2", "1.2.3.4", "+1", "1-", "1-a_b", "1-01", "1+", "x", "1.x",
        ] {
            assert!(Version::parse_lenient(text).is_err(), "{text}");
        }
    }

    #[test]
    fn drops_the_prerelease_only() {
        assert_eq!(version("1.2.3-rc.1+b").without_prerelease(), version("1.2.3+b"));
        assert!(version("1.2.3-rc.1").is_prerelease());
        assert!(!version("1.2.3+b").is_prerelease());
    }

    #[test]
    fn orders_a_prerelease_before_its_release() {
        assert!(version("1.0.0-rc.2") < version("1.0.0-rc.10"));
        assert!(version("1.0.0-rc.10") < version("1.0.0"));
        assert_eq!(
            version("1.0.0+a").cmp_precedence(&version("1.0.0+b")),
            Ordering::Equal
        );
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(major: u64, minor: u64, patch: u64, pre in "(-[a-z][0-9a-z]{0,5}(\\.[0-9]{1}){0,2})?", build in "(\\+[0-9a-z-]{1,5})?") {
            let text = format!("{major}.{minor}.{patch}{pre}{build}");
            let read = version(&text);
            prop_assert_eq!(read.to_string(), text);
            prop_assert_eq!(&version(&read.tag()), &read);
            prop_assert_eq!(Version::parse_lenient(&read.tag()), Ok(read));
        }

        #[test]
        fn never_panics(text in "\\PC*|v?[0-9a-z.+-]{0,30}") {
            if let Ok(strict) = Version::parse(&text) {
                prop_assert_eq!(Version::parse_lenient(&text), Ok(strict));
            }
        }
    }
}
