//! Times of day and days of the week, as update windows spell them (rule MUP-1).

use std::fmt;
use std::str::FromStr;

use super::nearest::nearest;
use super::quoted::quoted;

/// A time of day in UTC, to the minute: `H:MM` or `HH:MM`, from `0:00` to `23:59`. Prints as `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeOfDay {
    minutes: u16,
}

/// Why a text is no [`TimeOfDay`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseTimeOfDayError {
    /// Midnight under the name that a day's end has elsewhere.
    #[error("\"24:00\" is not a time of day, write \"0:00\" for midnight")]
    TwentyFour,
    /// Anything else.
    #[error("{} is not a time of day, write hours and minutes from \"0:00\" to \"23:59\"", quoted(.0))]
    Malformed(String),
}

impl TimeOfDay {
    /// Reads a time; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseTimeOfDayError> {
        if text == "24:00" {
            return Err(ParseTimeOfDayError::TwentyFour);
        }
        let digit = |b: u8| b.is_ascii_digit().then(|| u16::from(b - b'0'));
        let read = || {
            let (hours, minutes) = match *text.as_bytes() {
                [h, b':', m, n] => (digit(h)?, digit(m)? * 10 + digit(n)?),
                [g, h, b':', m, n] => (digit(g)? * 10 + digit(h)?, digit(m)? * 10 + digit(n)?),
                _ => return None,
            };
            (hours < 24 && minutes < 60).then_some(Self {
                minutes: hours * 60 + minutes,
            })
        };
        read().ok_or_else(|| ParseTimeOfDayError::Malformed(text.to_owned()))
    }

    /// Minutes since midnight, less than 1440.
    pub const fn minutes(self) -> u16 {
        self.minutes
    }
}

impl fmt::Display for TimeOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.minutes / 60, self.minutes % 60)
    }
}

impl FromStr for TimeOfDay {
    type Err = ParseTimeOfDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A day of the week. Prints as `Mon` to `Sun`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// A text that is no [`Day`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} is not a day, write {}{}", quoted(.0), Day::NAMES.join(", "), did_you_mean(.0))]
pub struct ParseDayError(String);

impl Day {
    /// All days, the week beginning on Monday.
    pub const ALL: [Self; 7] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
    ];

    /// Their canonical names, in the same order.
    pub const NAMES: [&'static str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

    /// Reads a canonical name.
    pub fn parse(text: &str) -> Result<Self, ParseDayError> {
        Self::find(text, |name| name == text)
    }

    /// Reads a name in any case, as mutation does before it writes the canonical one (rule MUT-1).
    pub fn parse_ignoring_case(text: &str) -> Result<Self, ParseDayError> {
        Self::find(text, |name| name.eq_ignore_ascii_case(text))
    }

    /// The canonical name.
    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    fn find(text: &str, fits: impl Fn(&str) -> bool) -> Result<Self, ParseDayError> {
        (Self::ALL.into_iter())
            .find(|day| fits(day.name()))
            .ok_or_else(|| ParseDayError(text.to_owned()))
    }
}

/// Offers a day for a slip (`mon`, `Mno`) and for a longer name (`Monday`, `Tues`).
fn did_you_mean(text: &str) -> String {
    let begins = |name: &&str| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    match Day::NAMES
        .into_iter()
        .find(begins)
        .or_else(|| nearest(text, Day::NAMES))
    {
        Some(name) => format!(" (did you mean \"{name}\"?)"),
        None => String::new(),
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_times() {
        for (text, minutes, canonical) in [
            ("0:00", 0, "00:00"),
            ("8:05", 485, "08:05"),
            ("08:05", 485, "08:05"),
            ("23:59", 1439, "23:59"),
        ] {
            let time = TimeOfDay::parse(text).unwrap();
            assert_eq!((time.minutes(), time.to_string().as_str()), (minutes, canonical));
        }
    }

    #[test]
    fn rejects_what_is_no_time() {
        for text in [
            "", "8", "8:5", "8:60", "25:00", "008:00", "8:00am", "-1:00", " 8:00", "8.00", "٨:00", ":00",
            "24:01",
        ] {
            assert_eq!(
                TimeOfDay::parse(text),
                Err(ParseTimeOfDayError::Malformed(text.into()))
            );
        }
        assert_eq!(
            TimeOfDay::parse("24:00").unwrap_err().to_string(),
            r#""24:00" is not a time of day, write "0:00" for midnight"#
        );
    }

    #[test]
    fn reads_days() {
        assert_eq!(Day::parse("Mon"), Ok(Day::Mon));
        assert!(Day::parse("mon").is_err());
        assert_eq!(Day::parse_ignoring_case("sUN"), Ok(Day::Sun));
        assert!(Day::parse_ignoring_case("Sunday").is_err());
        assert!(Day::ALL.into_iter().all(|day| Day::parse(day.name()) == Ok(day)));
    }

    #[test]
    fn offers_the_day_that_was_meant() {
        for (text, name) in [
            ("mon", "Mon"),
            ("Tuesday", "Tue"),
            ("thurs", "Thu"),
            ("Fir", "Fri"),
        ] {
            assert_eq!(
                Day::parse(text).unwrap_err().to_string(),
                format!(
                    "\"{text}\" is not a day, write Mon, Tue, Wed, Thu, Fri, Sat, Sun (did you mean \"{name}\"?)"
                )
            );
        }
        assert!(
            !Day::parse("weekend")
                .unwrap_err()
                .to_string()
                .contains("did you mean")
        );
    }

    proptest! {
        #[test]
        fn reads_what_it_prints(minutes in 0u16..1440) {
            let time = TimeOfDay { minutes };
            prop_assert_eq!(TimeOfDay::parse(&time.to_string()), Ok(time));
        }

        #[test]
        fn never_panics(text in "\\PC*|[0-9:]{0,6}") {
            let form = regex::Regex::new("^([01]?[0-9]|2[0-3]):[0-5][0-9]$").unwrap();
            prop_assert_eq!(TimeOfDay::parse(&text).is_ok(), form.is_match(&text));
            if let Err(error) = Day::parse(&text) {
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }
}
