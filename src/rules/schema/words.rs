//! What breaks a schema, in our words: the library's own repeat values, which may be secret.

use crate::rules::CauseReason;
use crate::rules::finding::or_nearest;
use crate::values::nearest;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

/// How much of a value a message repeats, in characters.
const SHOWN: usize = 64;
/// What is wrong, in our words: the library's repeat values, which may be secret.
pub(super) fn explain(error: &ValidationError<'_>, field: &str) -> (CauseReason, String) {
    let value = error.instance();
    let found = shown(value, field);
    match error.kind() {
        ValidationErrorKind::Required { .. } => (CauseReason::Required, "a value is required".to_owned()),
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            let near = value
                .as_str()
                .and_then(|text| nearest(text, options.iter().copied()));
            let list = format!("use one of {}", options.join(", "));
            let hint = or_nearest(near, &list);
            let list = if near.is_some() {
                format!(" ({list})")
            } else {
                String::new()
            };
            (
                CauseReason::NotSupported,
                format!("{found} is not supported{hint}{list}"),
            )
        }
        ValidationErrorKind::Type { kind } => (
            CauseReason::Invalid,
            format!(
                "expected {}, found {}",
                expected(kind),
                [type_of(value), &found].join(" ").trim_end()
            ),
        ),
        ValidationErrorKind::MaxLength { limit } => (
            CauseReason::Invalid,
            format!("longer than {limit} characters: shorten it"),
        ),
        ValidationErrorKind::MaxItems { limit } => (
            CauseReason::Invalid,
            format!("more than {limit} items: use fewer"),
        ),
        ValidationErrorKind::Minimum { limit } => (
            CauseReason::Invalid,
            format!("expected at least {limit}, found {found}"),
        ),
        ValidationErrorKind::Maximum { limit } => (
            CauseReason::Invalid,
            format!("expected at most {limit}, found {found}"),
        ),
        ValidationErrorKind::Format { format } if format.as_str() == "date-time" => (
            CauseReason::Invalid,
            format!("{found} is no time: write it like 2026-01-02T15:04:05Z"),
        ),
        ValidationErrorKind::Format { format } => (CauseReason::Invalid, format!("{found} is no {format}")),
        ValidationErrorKind::Pattern { pattern } => (
            CauseReason::Invalid,
            format!("{found} does not match '{pattern}'"),
        ),
        other => (
            CauseReason::Invalid,
            format!("{found} breaks the schema's '{}'", other.keyword()),
        ),
    }
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(JsonType::Array) => "a list".to_owned(),
        TypeKind::Single(one) => format!("{} {}", article(&one.to_string()), one),
        TypeKind::Multiple(several) => several
            .iter()
            .map(|one| one.to_string())
            .collect::<Vec<_>>()
            .join(" or "),
    }
}

fn article(word: &str) -> &'static str {
    if word.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "the boolean",
        Value::Number(_) => "the number",
        Value::String(_) => "the string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value as messages show it: short, and not at all where its field holds credentials.
fn shown(value: &Value, field: &str) -> String {
    match value {
        _ if field.ends_with("dockerCfg") => "(not shown)".to_owned(),
        Value::Object(_) | Value::Array(_) | Value::Null => String::new(),
        Value::String(text) if text.chars().count() > SHOWN => {
            format!("'{}…'", text.chars().take(SHOWN).collect::<String>())
        }
        Value::String(text) => format!("'{text}'"),
        other => other.to_string(),
    }
}
