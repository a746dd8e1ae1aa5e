//! Fields that the API server does not know: kubectl's strict decoding refuses them.

use serde_json::Value;

use crate::api::{Kind, crds};
use crate::values::nearest;

/// Fields of an object's metadata.
const METADATA: &[&str] = &[
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// A field that is not known.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unknown {
    /// The field, as causes name it.
    pub(super) field: String,
    /// The known one that was perhaps meant (AD-3).
    pub(super) nearest: Option<String>,
}

/// All fields that the schema of the kind does not know, in the order of the object.
pub(super) fn unknown(kind: Kind, version: &str, object: &Value) -> Vec<Unknown> {
    let mut schema = crds::object_schema(kind, version);
    // The API server knows the metadata by itself; a definition's schema says of it what it restricts.
    schema["properties"]["metadata"] = serde_json::json!({"x-kubernetes-preserve-unknown-fields": true});
    let mut found = Vec::new();
    walk("", &schema, object, &mut found);
    if let Some(metadata) = object.get("metadata") {
        compare("metadata", METADATA, metadata, &mut found);
    }
    found
}

fn walk(path: &str, schema: &Value, value: &Value, found: &mut Vec<Unknown>) {
    match value {
        Value::Object(fields) => {
            if let Some(known) = schema.get("properties").and_then(Value::as_object) {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                compare(path, &names, value, found);
                for (key, value) in fields {
                    if let Some(schema) = known.get(key) {
                        walk(&child(path, key), schema, value, found);
                    }
                }
            } else if let Some(schema) = schema.get("additionalProperties") {
                for (key, value) in fields {
                    walk(&child(path, key), schema, value, found);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (i, item) in items.iter().enumerate() {
                walk(&format!("{path}[{i}]"), schema, item, found);
            }
        }
        _ => {}
    }
}

fn compare(path: &str, known: &[&str], value: &Value, found: &mut Vec<Unknown>) {
    for key in value.as_object().into_iter().flat_map(|fields| fields.keys()) {
        if !known.contains(&key.as_str()) {
            found.push(Unknown {
                field: child(path, key),
                nearest: nearest(key, known.iter().copied()).map(str::to_owned),
            });
        }
    }
}

/// A field below a path; a key that would read as several is written in brackets.
fn child(path: &str, key: &str) -> String {
    if key.contains(['.', '/', '[', ']']) {
        format!("{path}[{key}]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(kind: Kind, object: &Value) -> Vec<(String, Option<String>)> {
        let version = kind.storage_version();
        let unknown = unknown(kind, version, object);
        unknown
            .into_iter()
            .map(|unknown| (unknown.field, unknown.nearest))
            .collect()
    }

    #[test]
    fn finds_unknown_fields_everywhere() {
        let object = json!({
            "apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy", "specs": {},
            "metadata": {"name": "a", "lables": {}, "annotations": {"any": "thing"}},
            "spec": {"update": {"windows": [{"from": "8:00", "til": "9:00"}]}, "a.b": 1},
        });
        let mut found = fields(Kind::ModuleUpdatePolicy, &object);
        found.sort();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("metadata.lables".to_owned(), some("labels")),
                ("spec.update.windows[0].til".to_owned(), None),
                ("spec[a.b]".to_owned(), None),
                ("specs".to_owned(), some("spec")),
            ]
        );
    }

    #[test]
    fn leaves_free_objects_alone() {
        let object = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "a"},
            "spec": {"settings": {"any": {"thing": 1}}}, "status": {"version": "1"},
        });
        assert_eq!(fields(Kind::ModuleConfig, &object), []);
    }
}
