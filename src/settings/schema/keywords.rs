//! The keywords of one schema that speak of values rather than of schemas below.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{FORMAT, PATTERN, Place, Reader, is_true};
use crate::settings::format::Format;
use crate::settings::node::{Node, Reading};
use crate::settings::pattern;
use crate::settings::problem::ProblemKind;

impl Reader<'_, '_> {
    pub(super) fn types(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        const KNOWN: [&str; 7] = [
            "object", "array", "string", "integer", "number", "boolean", "null",
        ];
        let mut types: Vec<String> = match schema.get("type") {
            None => Vec::new(),
            Some(Value::String(one)) => vec![one.clone()],
            Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
                many.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(_) => {
                self.tell(place, ProblemKind::Schema, "type must be a string");
                return;
            }
        };
        if let Some(unknown) = types.iter().find(|one| !KNOWN.contains(&one.as_str())) {
            let message = format!("type \"{unknown}\" is unknown, there are {}", KNOWN.join(", "));
            self.tell(place, ProblemKind::Schema, message);
            return;
        }
        if is_true(schema, "x-kubernetes-int-or-string") {
            types = vec!["integer".to_owned(), "string".to_owned()];
        }
        node.nullable = is_true(schema, "nullable") || types.iter().any(|one| one == "null");
        types.retain(|one| one != "null");
        if !types.is_empty() {
            let mut allowed = types.clone();
            if node.nullable {
                allowed.push("null".to_owned());
            }
            let allowed = match allowed.as_slice() {
                [one] => json!(one),
                many => json!(many),
            };
            out.insert("type".to_owned(), allowed);
        } else if schema.get("type").is_some() {
            out.insert("type".to_owned(), json!("null"));
        }
        node.types = types;
    }

    pub(super) fn scalars(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        for keyword in [
            "minLength",
            "maxLength",
            "minItems",
            "maxItems",
            "minProperties",
            "maxProperties",
        ] {
            if let Some(value) = schema.get(keyword) {
                match whole(value) {
                    Some(number) => drop(out.insert(keyword.to_owned(), number.into())),
                    None => self.tell(
                        place,
                        ProblemKind::Schema,
                        format!("{keyword} must be a whole number from 0"),
                    ),
                }
            }
        }
        for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
            let limit = match schema.get(bound) {
                None => None,
                Some(Value::Number(limit)) => Some(limit.clone()),
                Some(_) => {
                    self.tell(place, ProblemKind::Schema, format!("{bound} must be a number"));
                    continue;
                }
            };
            match (schema.get(exclusive), limit) {
                (None | Some(Value::Bool(false)), Some(limit)) => {
                    drop(out.insert(bound.to_owned(), limit.into()));
                }
                (Some(Value::Bool(true)), Some(limit)) => {
                    drop(out.insert(exclusive.to_owned(), limit.into()));
                }
                (None | Some(Value::Bool(_)), None) => {}
                (Some(_), _) => self.tell(
                    place,
                    ProblemKind::Schema,
                    format!("{exclusive} must be true or false"),
                ),
            }
        }
        match schema.get("multipleOf") {
            None => {}
            Some(Value::Number(step)) if step.as_f64().is_some_and(|step| step > 0.0) => {
                out.insert("multipleOf".to_owned(), step.clone().into());
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "multipleOf must be a number over 0"),
        }
        match schema.get("uniqueItems") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => drop(out.insert("uniqueItems".to_owned(), Value::Bool(true))),
            Some(_) => self.tell(place, ProblemKind::Schema, "uniqueItems must be true or false"),
        }
        match schema.get("enum") {
            None => {}
            // kube-openapi never finds null in an enum, not even where it is listed.
            Some(Value::Array(allowed)) => {
                let allowed: Vec<&Value> = allowed.iter().filter(|value| !value.is_null()).collect();
                if !allowed.is_empty() {
                    out.insert("enum".to_owned(), json!(allowed));
                }
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "enum must be a list"),
        }
        match schema.get("required") {
            None => {}
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {
                let mut names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
                names.sort_unstable();
                names.dedup();
                out.insert("required".to_owned(), json!(names));
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "required must be a list of names"),
        }
        if schema.get("x-kubernetes-list-type").and_then(Value::as_str) == Some("map")
            && let Some(Value::Array(keys)) = schema.get("x-kubernetes-list-map-keys")
        {
            node.list_keys = keys.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
    }

    pub(super) fn texts(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        match schema.get("pattern") {
            None => {}
            Some(Value::String(text)) => {
                let known = self.patterns.contains_key(text);
                match if known {
                    Ok(None)
                } else {
                    pattern::compile(text).map(Some)
                } {
                    Ok(compiled) => {
                        if let Some(compiled) = compiled {
                            self.patterns.insert(text.clone(), Arc::new(compiled));
                        }
                        out.insert(PATTERN.to_owned(), json!(text));
                    }
                    Err(why) => self.tell(
                        &place.below("pattern"),
                        ProblemKind::Pattern,
                        format!("pattern \"{text}\" is left out: {why}"),
                    ),
                }
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "pattern must be a string"),
        }
        if schema.contains_key("patternProperties") {
            self.tell(
                place,
                ProblemKind::Keyword,
                "patternProperties is no part of OpenAPI v3.0 and is left out, use additionalProperties",
            );
        }
        match schema.get("format") {
            None => {}
            Some(Value::String(name)) => {
                if Format::named(name, &node.types).is_some() {
                    out.insert(FORMAT.to_owned(), json!({"name": name, "types": node.types}));
                }
                if !is_true(schema, "x-kubernetes-int-or-string") {
                    node.reading = match name.as_str() {
                        "date-time" => Reading::Timestamp,
                        "duration" => Reading::Duration,
                        "byte" => Reading::Bytes,
                        _ => Reading::Plain,
                    };
                }
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "format must be a string"),
        }
    }
}

/// `10` and `10.0` alike.
fn whole(value: &Value) -> Option<u64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and small"
    )]
    value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|f| f.fract() == 0.0 && (0.0..9e15).contains(f))
            .map(|f| f as u64)
    })
}
