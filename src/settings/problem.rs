//! What is wrong with a definition itself, told once when it is loaded.

use std::fmt;

/// One defect of a definition. It never makes a review fail: rule MC-7 and MC-8 leave out what cannot be
/// read and judge by the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadProblem {
    /// Where in the definition: `versions[2].schema.properties.port.pattern`, `versions[3].conversions[0]`.
    pub path: String,
    /// What it is and what follows from it, without a final full stop.
    pub message: String,
    /// Which part of the definition is affected.
    pub kind: ProblemKind,
}

/// What a [`LoadProblem`] touches; a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// A version that is listed wrongly: the entry is left out.
    Version,
    /// The whole schema cannot be used: settings pass unjudged, with a warning.
    Schema,
    /// A `pattern` that RE2 or this program cannot express: it is left out.
    Pattern,
    /// A keyword that is known to have no effect where it stands: it is left out.
    Keyword,
    /// A CEL rule that does not compile: it is skipped.
    Rule,
    /// A CEL rule whose estimated cost is over the API server's budget: only told.
    Cost,
    /// A conversion that does not compile: the definition has no conversion path.
    Conversion,
}

impl ProblemKind {
    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Version => "version",
            Self::Schema => "schema",
            Self::Pattern => "pattern",
            Self::Keyword => "keyword",
            Self::Rule => "rule",
            Self::Cost => "cost",
            Self::Conversion => "conversion",
        }
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
