//! What is wrong with a definition itself, told once when it is loaded.

use std::fmt;

use serde_json::Value;

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

/// What of a definition a problem is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// The schema of a version.
    Schema {
        /// The version.
        version: u32,
        /// The field within the schema; empty is the whole.
        field: &'a str,
    },
    /// A filter of the step to a version.
    Filter {
        /// The version that the step leads to.
        version: u32,
        /// The filter, those of all its conversions counted from 0.
        index: usize,
    },
    /// A field of the `spec`, or a version as a whole.
    Other,
}

impl LoadProblem {
    /// What of the definition it is in.
    #[must_use]
    pub fn part(&self) -> Part<'_> {
        self.read_path().unwrap_or(Part::Other)
    }

    fn read_path(&self) -> Option<Part<'_>> {
        let (version, rest) = self.path.strip_prefix("versions[")?.split_once("].")?;
        let version = version.parse().ok()?;
        if let Some(field) = rest.strip_prefix("schema") {
            let field = field.strip_prefix('.').unwrap_or(field);
            return Some(Part::Schema { version, field });
        }
        let index = rest.strip_prefix("conversions[")?.strip_suffix(']')?;
        Some(Part::Filter {
            version,
            index: index.parse().ok()?,
        })
    }

    /// The field of the object that it is in, by the object's `spec`: `spec.versions[0].schema.openAPIV3Schema.type`.
    #[must_use]
    pub fn field(&self, spec: &Value) -> String {
        let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
        let place = |wanted: u32| {
            let name = wanted.to_string();
            versions.iter().position(|version| version["name"] == *name)
        };
        match self.part() {
            Part::Schema { version, field } => place(version).map(|index| {
                let dot = if field.is_empty() { "" } else { "." };
                format!("spec.versions[{index}].schema.openAPIV3Schema{dot}{field}")
            }),
            Part::Filter { version, index } => place(version).map(|at| {
                let mut left = index;
                let conversions = versions[at]["conversions"].as_array().into_iter().flatten();
                for (number, conversion) in conversions.enumerate() {
                    let count = conversion["expr"].as_array().map_or(0, Vec::len);
                    if left < count {
                        return format!("spec.versions[{at}].conversions[{number}].expr[{left}]");
                    }
                    left -= count;
                }
                format!("spec.versions[{at}].conversions")
            }),
            Part::Other if self.path.starts_with("spec.") => Some(self.path.clone()),
            Part::Other => None,
        }
        .unwrap_or_else(|| "spec.versions".to_owned())
    }
}

impl ProblemKind {
    /// The rule that is judged by less because of it.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::Version | Self::Conversion => "MC-6",
            Self::Schema | Self::Pattern | Self::Keyword => "MC-7",
            Self::Rule | Self::Cost => "MC-8",
        }
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_the_field_of_the_object() {
        let spec = json!({"versions": [
            {"name": "3", "conversions": [{"expr": ["."]}, {"expr": [".", "."]}]},
            {"name": "1"},
        ]});
        let table = [
            (
                "versions[3].schema.properties.a.pattern",
                "spec.versions[0].schema.openAPIV3Schema.properties.a.pattern",
            ),
            ("versions[1].schema", "spec.versions[1].schema.openAPIV3Schema"),
            (
                "versions[3].conversions[0]",
                "spec.versions[0].conversions[0].expr[0]",
            ),
            (
                "versions[3].conversions[2]",
                "spec.versions[0].conversions[1].expr[1]",
            ),
            ("versions[3].conversions[9]", "spec.versions[0].conversions"),
            ("versions[7].schema", "spec.versions"),
            ("versions[3]", "spec.versions"),
            ("spec.versions[1]", "spec.versions[1]"),
        ];
        for (path, field) in table {
            let problem = LoadProblem {
                path: path.to_owned(),
                message: String::new(),
                kind: ProblemKind::Rule,
            };
            assert_eq!(problem.field(&spec), field, "{path}");
        }
    }
}
