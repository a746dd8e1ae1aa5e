//! What the schema's violations are called: expected and found, the way out, and never a secret.
//!
//! jsonschema's own sentences quote whatever was found, so none of them is used.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::paths::LocationSegment;
use serde_json::Value;

use super::node::Node;
use super::path::FieldPath;
use super::schema::{FORMAT, PATTERN};
use super::secrets::is_secret_name;
use super::violation::{MAX_VIOLATIONS, Reason, Source, Violation};
use crate::values::nearest;

/// Characters of a found value that a message repeats.
const QUOTED: usize = 64;
/// Branches of `oneOf` and `anyOf` that a message goes into.
const TOLD_BRANCHES: usize = 3;
/// Allowed values that a message lists.
const TOLD_VALUES: usize = 32;

/// Violations that may come with a suggestion.
const SUGGESTED: usize = 16;

/// A place in the settings beside what the schema knows of it.
struct Spot<'a> {
    path: FieldPath,
    node: Option<&'a Node>,
    secret: bool,
}

impl<'a> Spot<'a> {
    /// Walks from the root of the settings to where the error is.
    fn find(error: &ValidationError<'_>, root: &'a Node) -> Self {
        let mut spot = Spot {
            path: FieldPath::default(),
            node: Some(root),
            secret: root.sensitive,
        };
        for segment in error.instance_path().segments() {
            spot = match segment {
                LocationSegment::Property(key) => spot.below(&key),
                LocationSegment::Index(index) => {
                    // A key of digits reads like an index: what the schema knows there decides.
                    match spot.node.and_then(|node| node.items.as_deref()) {
                        None if spot
                            .node
                            .is_some_and(|node| node.child(&index.to_string()).is_some()) =>
                        {
                            spot.below(&index.to_string())
                        }
                        items => Spot {
                            path: spot.path.index(index),
                            node: items,
                            secret: spot.secret || items.is_some_and(|node| node.sensitive),
                        },
                    }
                }
            };
        }
        spot
    }

    fn below(&self, key: &str) -> Self {
        let node = self.node.and_then(|node| node.child(key));
        Self {
            path: self.path.key(key),
            node,
            secret: self.secret || is_secret_name(key) || node.is_some_and(|node| node.sensitive),
        }
    }

    fn violation(self, reason: Reason, message: String) -> Violation {
        Violation {
            path: self.path.into_string(),
            reason,
            message,
            source: Source::Schema,
        }
    }
}

/// The violations that one error of jsonschema stands for. `root` describes the settings.
pub(super) fn tell(error: &ValidationError<'_>, root: &Node, out: &mut Vec<Violation>) {
    let spot = Spot::find(error, root);
    let found = error.instance();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            for key in unexpected.iter().take(MAX_VIOLATIONS + 1) {
                let known = spot
                    .node
                    .map(|node| node.properties.keys())
                    .into_iter()
                    .flatten()
                    .map(String::as_str);
                // A suggestion costs a look at every known key: a handful of them helps, thousands do not.
                let near = if out.len() < SUGGESTED {
                    nearest(key, known)
                } else {
                    None
                };
                let message = match near {
                    Some(near) => format!("unknown key \"{key}\", did you mean \"{near}\"?"),
                    None => format!("unknown key \"{key}\""),
                };
                out.push(spot.below(key).violation(Reason::Forbidden, message));
            }
        }
        kind if allows_nothing(kind) => {
            let path = error.instance_path();
            let message = match path.segments().last() {
                Some(LocationSegment::Property(key)) => format!("unknown key \"{key}\""),
                _ => "nothing is allowed here".to_owned(),
            };
            out.push(spot.violation(Reason::Forbidden, message));
        }
        ValidationErrorKind::Required { property } => {
            let missing = spot.below(property.as_str().unwrap_or_default());
            let message = match missing
                .node
                .map(|node| node.types.join(" or "))
                .filter(|types| !types.is_empty())
            {
                Some(types) => format!("required key is missing, expected {types}"),
                None => "required key is missing".to_owned(),
            };
            out.push(missing.violation(Reason::Required, message));
        }
        ValidationErrorKind::Enum { options } => {
            let message = enumeration(options, found, spot.secret);
            out.push(spot.violation(Reason::NotSupported, message));
        }
        ValidationErrorKind::UniqueItems => {
            let message = match (repeated(found), spot.secret) {
                (Some((first, second, value)), false) => {
                    format!(
                        "items must differ, items {first} and {second} are both {}",
                        shown(value)
                    )
                }
                (Some((first, second, _)), true) => {
                    format!("items must differ, items {first} and {second} do not")
                }
                (None, _) => "items must differ".to_owned(),
            };
            out.push(spot.violation(Reason::Duplicate, message));
        }
        kind => {
            let expected = expectation(kind, root, &spot);
            let message = with_found(expected, kind, found, spot.secret);
            out.push(spot.violation(Reason::Invalid, message));
        }
    }
}

/// Whether the place is closed altogether, as the value of a key is that a closed object does not know.
pub(super) fn allows_nothing(kind: &ValidationErrorKind) -> bool {
    match kind {
        ValidationErrorKind::Not { schema } => schema.as_object().is_some_and(serde_json::Map::is_empty),
        _ => false,
    }
}

/// What would have been right.
fn expectation(kind: &ValidationErrorKind, root: &Node, spot: &Spot<'_>) -> String {
    match kind {
        ValidationErrorKind::Type { kind } => format!("expected {}", types(kind)),
        ValidationErrorKind::Custom { keyword, message } if keyword == PATTERN => {
            format!(
                "expected a string that matches \"{}\"",
                clipped(message, 4 * QUOTED)
            )
        }
        ValidationErrorKind::Custom { keyword, message } if keyword == FORMAT => {
            format!("expected format {}", clipped(message, QUOTED))
        }
        ValidationErrorKind::Minimum { limit } => format!("expected at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("expected at most {limit}"),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("expected more than {limit}"),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("expected less than {limit}"),
        ValidationErrorKind::MultipleOf { multiple_of } => format!("expected a multiple of {multiple_of}"),
        ValidationErrorKind::MinLength { limit } => {
            format!("expected at least {}", count(*limit, "character"))
        }
        ValidationErrorKind::MaxLength { limit } => {
            format!("expected at most {}", count(*limit, "character"))
        }
        ValidationErrorKind::MinItems { limit } => format!("expected at least {}", count(*limit, "item")),
        ValidationErrorKind::MaxItems { limit } => format!("expected at most {}", count(*limit, "item")),
        ValidationErrorKind::MinProperties { limit } => format!("expected at least {}", count(*limit, "key")),
        ValidationErrorKind::MaxProperties { limit } => format!("expected at most {}", count(*limit, "key")),
        ValidationErrorKind::AnyOf { context } => {
            format!(
                "expected to fit one of {} variants, fits none: {}",
                context.len(),
                branches(context, root, spot)
            )
        }
        ValidationErrorKind::OneOfNotValid { context } => {
            let fits = format!("expected to fit exactly one of {} variants", context.len());
            format!("{fits}, fits none: {}", branches(context, root, spot))
        }
        ValidationErrorKind::OneOfMultipleValid { context } => {
            format!(
                "expected to fit exactly one of {} variants, fits several",
                context.len()
            )
        }
        ValidationErrorKind::Not { .. } => "expected anything but what the schema rules out here".to_owned(),
        ValidationErrorKind::FalseSchema => "nothing is allowed here".to_owned(),
        other => format!("breaks \"{}\" of the schema", other.keyword()),
    }
}

/// Adds what was found where that helps and is no secret.
fn with_found(expected: String, kind: &ValidationErrorKind, found: &Value, secret: bool) -> String {
    match kind {
        ValidationErrorKind::Type { .. } if secret => format!("{expected}, found {}", type_of(found)),
        ValidationErrorKind::Type { .. } => match found {
            Value::Object(_) | Value::Array(_) | Value::Null => {
                format!("{expected}, found {}", type_of(found))
            }
            scalar => format!("{expected}, found {} {}", type_of(found), shown(scalar)),
        },
        ValidationErrorKind::MinLength { .. } | ValidationErrorKind::MaxLength { .. } if !secret => {
            let length = found.as_str().map_or(0, |text| text.chars().count());
            format!("{expected}, found {length}")
        }
        ValidationErrorKind::MinItems { .. } | ValidationErrorKind::MaxItems { .. } => {
            format!("{expected}, found {}", found.as_array().map_or(0, Vec::len))
        }
        ValidationErrorKind::MinProperties { .. } | ValidationErrorKind::MaxProperties { .. } => {
            format!(
                "{expected}, found {}",
                found.as_object().map_or(0, serde_json::Map::len)
            )
        }
        ValidationErrorKind::AnyOf { .. }
        | ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::OneOfMultipleValid { .. }
        | ValidationErrorKind::Not { .. }
        | ValidationErrorKind::FalseSchema => expected,
        _ if secret || found.is_object() || found.is_array() => expected,
        _ => format!("{expected}, found {}", shown(found)),
    }
}

fn enumeration(options: &Value, found: &Value, secret: bool) -> String {
    let empty = Vec::new();
    let options = options.as_array().unwrap_or(&empty);
    let mut listed: Vec<String> = options.iter().take(TOLD_VALUES).map(shown).collect();
    if options.len() > TOLD_VALUES {
        listed.push(format!("{} more", options.len() - TOLD_VALUES));
    }
    let expected = match listed.as_slice() {
        [one] => format!("expected {one}"),
        many => format!("expected one of {}", many.join(", ")),
    };
    if secret {
        return expected;
    }
    if found.is_object() || found.is_array() {
        return format!("{expected}, found {}", type_of(found));
    }
    let near = found
        .as_str()
        .and_then(|word| nearest(word, options.iter().filter_map(Value::as_str)));
    match near {
        Some(near) => format!("{expected}, found {}, did you mean \"{near}\"?", shown(found)),
        None => format!("{expected}, found {}", shown(found)),
    }
}

/// Why the branches do not fit: one cause of each.
fn branches(context: &[Vec<ValidationError<'static>>], root: &Node, spot: &Spot<'_>) -> String {
    let mut told = Vec::new();
    for (index, errors) in context.iter().take(TOLD_BRANCHES).enumerate() {
        let mut causes = Vec::new();
        // A value that picks another branch says more than what that branch would need besides.
        let picked = errors
            .iter()
            .find(|error| matches!(error.kind(), ValidationErrorKind::Enum { .. }));
        if let Some(cause) = picked.or(errors.first()) {
            tell(cause, root, &mut causes);
        }
        let cause = causes.into_iter().next().map_or_else(
            || "does not fit".to_owned(),
            |cause| {
                // The violation stands at `spot`; only what lies below needs to be named.
                let here = spot.path.clone().into_string();
                let below = cause
                    .path
                    .strip_prefix(&here)
                    .unwrap_or(&cause.path)
                    .trim_start_matches('.');
                if below.is_empty() {
                    cause.message
                } else {
                    format!("{below}: {}", cause.message)
                }
            },
        );
        told.push(format!("{}. {cause}", index + 1));
    }
    if context.len() > TOLD_BRANCHES {
        told.push("…".to_owned());
    }
    told.join(" ")
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(many) => {
            let words: Vec<String> = many
                .iter()
                .map(|one| one.to_string())
                .filter(|one| one != "null")
                .collect();
            if words.is_empty() {
                "null".to_owned()
            } else {
                words.join(" or ")
            }
        }
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value as a message repeats it: strings in quotes, never more than a line.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", clipped(&text.escape_debug().to_string(), QUOTED)),
        Value::Object(_) | Value::Array(_) => type_of(value).to_owned(),
        scalar => clipped(&scalar.to_string(), QUOTED),
    }
}

fn clipped(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn count(number: u64, thing: &str) -> String {
    if number == 1 {
        format!("1 {thing}")
    } else {
        format!("{number} {thing}s")
    }
}

/// The first scalar that a list holds twice. Objects are compared, too, but only short lists of them.
fn repeated(list: &Value) -> Option<(usize, usize, &Value)> {
    let items = list.as_array()?;
    let mut seen = std::collections::HashMap::new();
    for (index, item) in items.iter().enumerate() {
        if let Some(first) = seen.insert(item.to_string(), index) {
            return Some((first, index, item));
        }
    }
    None
}
