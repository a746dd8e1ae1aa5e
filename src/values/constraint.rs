//! Constraints on versions, in the syntax and with the meaning of Masterminds/semver v3.
//!
//! Module authors test their constraints against Go programs that use that library, so its surprises are kept:
//! `>11` leaves out 11.1 (the next thing greater than all of 11 is 12), `^*` matches 0.0.0 alone, and a prerelease
//! matches only where one of the bounds beside it names a prerelease.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::quoted::quoted;
use super::version::Version;

mod parse;

/// Marks a [`Requirement`] that binds only if the module is enabled.
const OPTIONAL: &str = "!optional";

/// Which versions fit: alternatives, divided by `||`, of bounds that hold together, divided by commas or spaces.
/// Prints as written.
#[derive(Debug, Clone)]
pub struct Constraint {
    text: String,
    alternatives: Vec<Vec<Bound>>,
}

/// A text that is no [`Constraint`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseConstraintError {
    /// Nothing was written, or nothing but blanks.
    #[error("an empty version constraint, write one such as \">= 1.25\", or \"*\" for any version")]
    Empty,
    /// Anything else.
    #[error(
        "{} is not a version constraint, write comparisons such as \">= 1.25, < 2\", \"~1.2\" or \"^1 || ^2\"",
        quoted(.0)
    )]
    Malformed(String),
}

impl Constraint {
    /// Reads a constraint; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseConstraintError> {
        if text.trim().is_empty() {
            return Err(ParseConstraintError::Empty);
        }
        match parse::alternatives(text) {
            Some(alternatives) => Ok(Self {
                text: text.to_owned(),
                alternatives,
            }),
            None => Err(ParseConstraintError::Malformed(text.to_owned())),
        }
    }

    /// Whether a version fits.
    pub fn matches(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| {
            let prereleases = bounds.iter().any(|bound| bound.version.is_prerelease());
            (prereleases || !version.is_prerelease()) && bounds.iter().all(|bound| bound.admits(version))
        })
    }

    /// The constraint as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// One comparison. Parts that a wildcard stands for are 0 in its version.
#[derive(Debug, Clone)]
struct Bound {
    operator: Operator,
    version: Version,
    precision: Precision,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    /// `=`, or none.
    Equal,
    NotEqual,
    Greater,
    Less,
    AtLeast,
    AtMost,
    /// `~`, `~>`.
    Tilde,
    Caret,
}

/// How much of a version was written before a wildcard or the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Precision {
    /// `*`
    Nothing,
    /// `1`, `1.x`
    Major,
    /// `1.2`, `1.2.x`
    Minor,
    /// `1.2.3`
    Patch,
}

impl Bound {
    fn admits(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.operator {
            Operator::Less => order == Ordering::Less,
            Operator::AtLeast => order != Ordering::Less,
            Operator::Greater => match self.precision {
                Precision::Major => version.major() > self.version.major(),
                Precision::Minor => minor_of(version) > minor_of(&self.version),
                Precision::Patch | Precision::Nothing => order == Ordering::Greater,
            },
            Operator::AtMost => match self.precision {
                Precision::Major => version.major() <= self.version.major(),
                Precision::Minor | Precision::Nothing => minor_of(version) <= minor_of(&self.version),
                Precision::Patch => order != Ordering::Greater,
            },
            Operator::NotEqual => match self.precision {
                Precision::Major => version.major() != self.version.major(),
                Precision::Minor => {
                    minor_of(version) != minor_of(&self.version)
                        || version.as_semver().pre != self.version.as_semver().pre
                }
                Precision::Patch | Precision::Nothing => order != Ordering::Equal,
            },
            Operator::Equal if self.precision == Precision::Patch => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => order != Ordering::Less && self.same_by_tilde(version),
            Operator::Caret => order != Ordering::Less && self.same_by_caret(version),
        }
    }

    /// Whether a version that is not lower lies in the range of a `~`: the same minor, or major where that is all
    /// there is. `~0.0.0` and `~*` end nowhere.
    fn same_by_tilde(&self, version: &Version) -> bool {
        match self.precision {
            Precision::Nothing => true,
            Precision::Patch if (minor_of(&self.version), self.version.patch()) == ((0, 0), 0) => true,
            Precision::Major => version.major() == self.version.major(),
            Precision::Minor | Precision::Patch => minor_of(version) == minor_of(&self.version),
        }
    }

    /// Whether a version that is not lower lies in the range of a `^`: the leftmost number that is not 0 stays.
    fn same_by_caret(&self, version: &Version) -> bool {
        if self.version.major() > 0 || self.precision == Precision::Major {
            version.major() == self.version.major()
        } else if self.version.minor() > 0 || self.precision == Precision::Minor {
            minor_of(version) == minor_of(&self.version)
        } else {
            (minor_of(version), version.patch()) == ((0, 0), self.version.patch())
        }
    }
}

/// Major and minor, which compare together.
fn minor_of(version: &Version) -> (u64, u64) {
    (version.major(), version.minor())
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Constraint {}

impl FromStr for Constraint {
    type Err = ParseConstraintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// What a module asks of another: a constraint, and whether it binds only if that module is enabled (`!optional` at
/// the end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// Which versions of the other module fit.
    pub constraint: Constraint,
    /// Whether the other module may as well be off.
    pub optional: bool,
}

impl Requirement {
    /// Reads a constraint with or without `!optional` behind it.
    pub fn parse(text: &str) -> Result<Self, ParseConstraintError> {
        let (constraint, optional) = match text.trim_end().strip_suffix(OPTIONAL) {
            Some(constraint) => (constraint.trim_end(), true),
            None => (text, false),
        };
        Ok(Self {
            constraint: Constraint::parse(constraint)?,
            optional,
        })
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}{}",
            self.constraint,
            if self.optional { OPTIONAL } else { "" }
        )
    }
}

impl FromStr for Requirement {
    type Err = ParseConstraintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests;
