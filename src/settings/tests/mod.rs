//! Definitions as data: schema, settings, what is said.

mod properties;
mod rules;
mod schema;
mod versions;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;

fn definition(schema: Value) -> Definition {
    Definition::compile(vec![SchemaVersion {
        number: 1,
        schema,
        conversions: Vec::new(),
    }])
}

/// `path: message` of everything said about the settings.
fn said(schema: Value, settings: Value) -> Vec<String> {
    said_of(&definition(schema), settings, None)
}

fn said_of(definition: &Definition, settings: Value, old: Option<Value>) -> Vec<String> {
    let judgement = definition.judge(&settings, old.as_ref(), None);
    assert!(!judgement.unjudged, "{:?}", definition.problems());
    judgement
        .violations
        .into_iter()
        .map(|violation| format!("{}: {}", violation.path, violation.message))
        .collect()
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

fn fine(schema: Value, settings: Value) {
    let said = said(schema.clone(), settings.clone());
    assert!(said.is_empty(), "{settings} against {schema}: {said:?}");
}

#[test]
fn is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&definition(
        json!({"x-kubernetes-validations": [{"rule": "true"}]}),
    ));
}
