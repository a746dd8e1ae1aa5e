//! What the API server drops before it stores an object: nulls in optional fields, and fields that it does not know.

use super::child;
use serde_json::Value;

/// Where a value stands; written out only for the few that are told of.
#[derive(Clone, Copy)]
pub(super) enum Place<'p> {
    Root(&'p str),
    Field(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn path(self) -> String {
        match self {
            Self::Root(name) => name.to_owned(),
            Self::Field(parent, key) => child(&parent.path(), key),
            Self::Item(parent, index) => format!("{}[{index}]", parent.path()),
        }
    }
}

pub(super) fn prune_value(place: Place<'_>, schema: &Value, value: &mut Value, unknown: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema.get("properties") else {
                if let Some(inner) = schema.get("additionalProperties") {
                    fields.retain(|_, value| !value.is_null());
                    for (key, value) in fields.iter_mut() {
                        prune_value(Place::Field(&place, key), inner, value, unknown);
                    }
                }
                return;
            };
            fields.retain(|key, value| match properties.get(key) {
                Some(_) if value.is_null() => false,
                Some(property) => {
                    prune_value(Place::Field(&place, key), property, value, unknown);
                    true
                }
                None => {
                    unknown.push(Place::Field(&place, key).path());
                    false
                }
            });
        }
        Value::Array(items) => {
            let Some(inner) = schema.get("items") else { return };
            for (i, item) in items.iter_mut().enumerate() {
                prune_value(Place::Item(&place, i), inner, item, unknown);
            }
        }
        _ => {}
    }
}
