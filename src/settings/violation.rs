//! What a judgement says.

/// What came of judging settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Judgement {
    /// Everything that is wrong, in the order of the places. At most [`MAX_VIOLATIONS`].
    pub violations: Vec<Violation>,
    /// There were more violations than fit.
    pub more: bool,
    /// Rules that ran out of time and were skipped: a warning and a metric each (rule MC-8).
    pub skipped: Vec<SkippedRule>,
    /// The schema does not compile, so nothing was judged: a warning and a metric (rule MC-7).
    pub unjudged: bool,
    /// The settings are so far from the schema that rules could not run beside it, as in the API server.
    pub rules_not_run: bool,
}

/// Violations told at once: more than anybody reads, and a bound for a list of 100,000 wrong items.
pub const MAX_VIOLATIONS: usize = 100;

/// One thing that is wrong with settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The place relative to the settings: `auth.password`, `list[0].x`, `labels[a.b/c]`; empty is the whole.
    pub path: String,
    /// For the cause of the refusal.
    pub reason: Reason,
    /// What is wrong, complete by itself, without the path and without a final full stop. It never quotes a secret.
    pub message: String,
    /// Which rule speaks.
    pub source: Source,
}

/// Why a value is refused; the words are Kubernetes' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Malformed or out of bounds.
    Invalid,
    /// Missing.
    Required,
    /// Not one of the allowed values.
    NotSupported,
    /// A key that the schema does not know.
    Forbidden,
    /// An item that is there twice.
    Duplicate,
}

impl Reason {
    /// The reason as a status cause carries it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }
}

/// What a violation broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The schema: rule MC-7.
    Schema,
    /// A CEL rule: rule MC-8.
    Rule,
}

/// A rule that was not judged to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkippedRule {
    /// The first place where it ran out of time, relative to the settings.
    pub path: String,
    /// The expression.
    pub rule: String,
}
