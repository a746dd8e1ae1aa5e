//! Durations as fields spell them: `1h30m`, `15s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::quoted::quoted;

/// A duration of whole seconds, never zero, written as `^(\d+h)?(\d+m)?(\d+s)?$`.
///
/// Prints canonically, so `90m` reads back as `1h30m`; serde uses the same text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interval {
    seconds: u64,
}

/// Why a text is no [`Interval`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseIntervalError {
    /// Nothing was written.
    #[error("an empty duration, write one such as \"15s\" or \"1h30m\"")]
    Empty,
    /// The text has another form.
    #[error(
        "{} is not a duration, write whole hours, minutes and seconds in this order, such as \"15s\" or \"1h30m\"",
        quoted(.0)
    )]
    Malformed(String),
    /// All parts are zero.
    #[error("{} is a duration of zero, write one of at least \"1s\"", quoted(.0))]
    Zero(String),
    /// The seconds do not fit 64 bits.
    #[error("{} is too long a duration, write a shorter one such as \"24h\"", quoted(.0))]
    TooLong(String),
}

impl Interval {
    /// Reads an interval; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseIntervalError> {
        if text.is_empty() {
            return Err(ParseIntervalError::Empty);
        }
        let mut rest = text;
        let mut seconds: u64 = 0;
        for (unit, size) in [('h', 3600), ('m', 60), ('s', 1)] {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let Some(after) = rest[digits..].strip_prefix(unit) else {
                continue;
            };
            if digits == 0 {
                return Err(ParseIntervalError::Malformed(text.to_owned()));
            }
            // Only digits stand here, so the one thing that can fail is the size.
            seconds = (rest[..digits].parse::<u64>().ok())
                .and_then(|count| count.checked_mul(size))
                .and_then(|part| seconds.checked_add(part))
                .ok_or_else(|| ParseIntervalError::TooLong(text.to_owned()))?;
            rest = after;
        }
        if !rest.is_empty() {
            return Err(ParseIntervalError::Malformed(text.to_owned()));
        }
        if seconds == 0 {
            return Err(ParseIntervalError::Zero(text.to_owned()));
        }
        Ok(Self { seconds })
    }

    /// The same length of time for the standard library.
    pub const fn as_duration(self) -> Duration {
        Duration::from_secs(self.seconds)
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.seconds / 3600, 'h'),
            (self.seconds / 60 % 60, 'm'),
            (self.seconds % 60, 's'),
        ];
        for (count, unit) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{count}{unit}")?;
        }
        Ok(())
    }
}

impl FromStr for Interval {
    type Err = ParseIntervalError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Interval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Interval {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints() {
        for (text, seconds, canonical) in [
            ("15s", 15, "15s"),
            ("3m", 180, "3m"),
            ("90m", 5400, "1h30m"),
            ("1h0m1s", 3601, "1h1s"),
            ("0h015s", 15, "15s"),
            ("25h", 90_000, "25h"),
        ] {
            let interval = Interval::parse(text).unwrap();
            assert_eq!(interval.as_duration(), Duration::from_secs(seconds), "{text}");
            assert_eq!(interval.to_string(), canonical);
        }
    }

    #[test]
    fn rejects_other_forms() {
        for text in [
            "15", "s", "hm", "1.5h", "500ms", "1d", "-5s", "+5s", "5s1m", "1s1s", " 5s", "5 s", "5S", "٣s",
            "1h30",
        ] {
            assert_eq!(
                Interval::parse(text),
                Err(ParseIntervalError::Malformed(text.into())),
                "{text}"
            );
        }
        assert_eq!(Interval::parse(""), Err(ParseIntervalError::Empty));
    }

    #[test]
    fn rejects_zero_and_what_does_not_fit() {
        assert!(matches!(
            Interval::parse("0h0m0s"),
            Err(ParseIntervalError::Zero(_))
        ));
        for text in [
            "18446744073709551616s",
            "18446744073709551615h",
            "99999999999999999999999999999999m",
            "1h18446744073709551615s",
        ] {
            assert!(
                matches!(Interval::parse(text), Err(ParseIntervalError::TooLong(_))),
                "{text}"
            );
        }
        assert_eq!(
            Interval::parse("0s").unwrap_err().to_string(),
            r#""0s" is a duration of zero, write one of at least "1s""#
        );
    }

    #[test]
    fn travels_as_a_string() {
        let interval: Interval = serde_json::from_str("\"60s\"").unwrap();
        assert_eq!(serde_json::to_string(&interval).unwrap(), "\"1m\"");
        assert!(serde_json::from_str::<Interval>("60").is_err());
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(seconds in 1..=u64::MAX) {
            let interval = Interval { seconds };
            prop_assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
        }

        #[test]
        fn never_panics(text in "\\PC*|[0-9hms]{0,40}") {
            let form = regex::Regex::new(r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?$").unwrap();
            let malformed = matches!(Interval::parse(&text), Err(ParseIntervalError::Malformed(_)));
            prop_assert_eq!(malformed, !form.is_match(&text));
        }
    }
}
