//! What a rule says: refusals and warnings, as data.

use super::settings::SettingsQuestion;
use crate::api::Kind;

/// One thing that a rule says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's number, such as `MC-2`.
    pub rule: &'static str,
    /// Path of the field that it is about, such as `spec.update.windows[0].from`.
    pub field: String,
    /// What is wrong, the value and the way out, complete by itself.
    pub message: String,
    /// What is wrong, for machines.
    pub reason: CauseReason,
    /// Whether it is refused because of who asks, or because it is a removal (403 instead of 422).
    pub forbidden: bool,
}

/// Kubernetes' own reasons of a cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CauseReason {
    /// The value does not fit.
    Invalid,
    /// A value is missing.
    Required,
    /// What the value names does not exist.
    NotFound,
    /// The value is none of those allowed.
    NotSupported,
    /// The value may not be set, or not by this person.
    Forbidden,
    /// The value stands elsewhere already.
    Duplicate,
}

impl CauseReason {
    /// The word in a `Status`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::NotFound => "FieldValueNotFound",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
        }
    }
}

/// An object that was looked for and not found: a refusal for its absence waits a moment for it (AD-5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
}

/// What the rules have said so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) refusals: Vec<Finding>,
    pub(super) warnings: Vec<Finding>,
    /// What would be refused if it were new: the most important warnings.
    pub(super) was_wrong: Vec<Finding>,
    pub(super) missing: Vec<Reference>,
    pub(super) question: Option<SettingsQuestion>,
    /// Fields that a rule found wrong, refused or not: the schema does not tell them again (AD-4).
    pub(super) wrong: Vec<String>,
}

impl Findings {
    /// Refuses a field's value.
    pub(super) fn refuse(
        &mut self,
        rule: &'static str,
        field: impl Into<String>,
        reason: CauseReason,
        message: impl Into<String>,
    ) {
        self.refusals.push(Finding {
            rule,
            field: field.into(),
            message: message.into(),
            reason,
            forbidden: false,
        });
    }

    /// Refuses because of who asks, or because it is a removal.
    pub(super) fn forbid(
        &mut self,
        rule: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.refusals.push(Finding {
            rule,
            field: field.into(),
            message: message.into(),
            reason: CauseReason::Forbidden,
            forbidden: true,
        });
    }

    /// Allows with a warning.
    pub(super) fn warn(&mut self, rule: &'static str, field: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Finding {
            rule,
            field: field.into(),
            message: message.into(),
            reason: CauseReason::Invalid,
            forbidden: false,
        });
    }

    /// Turns a refusal into a warning, since nothing that led to it has changed (AD-8).
    pub(super) fn tolerate(&mut self, refusal: Finding) {
        let message = format!("{}: {}", refusal.field, refusal.message);
        self.was_wrong.push(Finding { message, ..refusal });
    }

    /// Remembers the fields of all refusals so far, before some of them become warnings.
    pub(super) fn remember_wrong(&mut self) {
        self.wrong
            .extend(self.refusals.iter().map(|finding| finding.field.clone()));
    }

    /// Remembers that an object's absence led to a refusal.
    pub(super) fn missing(&mut self, kind: Kind, name: &str) {
        self.missing.push(Reference {
            kind,
            name: name.to_owned(),
        });
    }
}

/// The end of a message about an unknown name: the nearest known one, or what else to do (AD-3).
pub(super) fn or_nearest(nearest: Option<&str>, otherwise: &str) -> String {
    nearest.map_or_else(
        || format!(": {otherwise}"),
        |name| format!(", did you mean \"{name}\"?"),
    )
}
