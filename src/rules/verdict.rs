//! What becomes of an operation, as data.

use super::settings::SettingsQuestion;
use super::{Finding, Reference};

/// What becomes of an operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Allowed, refused, or not judged.
    pub decision: Decision,
    /// Why it is refused: all violations at once (AD-2).
    pub refusals: Vec<Finding>,
    /// What should be known, the most important first.
    pub warnings: Vec<Finding>,
    /// Objects whose absence led to a refusal (AD-5).
    pub missing: Vec<Reference>,
    /// Settings that are still to be judged: the verdict is not final before that is done.
    pub question: Option<SettingsQuestion>,
}

/// What becomes of an operation, in one word (AD-7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Nothing speaks against it.
    #[default]
    Allowed,
    /// At least one rule refuses it.
    Refused,
    /// It was not judged (AD-8).
    Skipped,
}

impl Decision {
    /// The word in audit annotations and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::Skipped => "skipped",
        }
    }
}
