//! From a document to a stored object: whose it is, and what keeps it from being one.

use crate::api::{GROUP, Kind};
use crate::rules::Body;
use crate::rules::admit::{self, AdmitError};
use crate::rules::convert::{self, Note};
use crate::world::Object;
use serde_json::{Value, json};

/// Something about a field that keeps a document from being stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    /// The field, written as causes write it.
    pub(crate) field: String,
    /// What is wrong and the way out.
    pub(crate) message: String,
}

impl Misfit {
    pub(super) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            message: message.into(),
        }
    }
}

/// What names an object: kinds sort as they are applied.
pub(super) type Key = (Kind, String);

/// Whose document it is: `None` for a kind that is none of ours. A version that is not served still names its object,
/// so that a slip in `apiVersion` does not look as if the object had gone.
pub(super) fn key(document: &Value) -> Result<Option<Key>, Misfit> {
    match admit::identify(document) {
        Ok((kind, _, name)) => Ok(Some((kind, name.to_owned()))),
        Err(AdmitError::NotOurs { .. }) => Ok(None),
        Err(error @ AdmitError::Version { kind, .. }) => {
            let name = document.pointer("/metadata/name").and_then(Value::as_str);
            let name = name.filter(|name| !name.is_empty());
            name.map(|name| Some((kind, name.to_owned())))
                .ok_or_else(|| misfit(&error))
        }
        Err(error @ AdmitError::NoName(_)) => Err(misfit(&error)),
    }
}

/// A document that cannot be judged, as a misfit.
pub(super) fn misfit(error: &AdmitError) -> Misfit {
    let field = match error {
        AdmitError::NotOurs { .. } => "kind",
        AdmitError::Version { .. } => "apiVersion",
        AdmitError::NoName(_) => "metadata.name",
    };
    Misfit::new(field, error.to_string())
}

/// Brings a document to the version that is stored, and drops what the kind does not know.
pub(crate) fn to_stored(kind: Kind, mut value: Value) -> Result<Object, Misfit> {
    let version = format!("{GROUP}/{}", kind.storage_version());
    let note = convert::convert(&mut value, &version)
        .map_err(|error| Misfit::new(kind.body(), error.to_string()))?;
    if note == Note::UnreadableAnnotation {
        let name = value.pointer("/metadata/name").and_then(Value::as_str);
        tracing::warn!(%kind, name, "the annotation that holds v1alpha1's fields cannot be read and is ignored");
    }
    if let Some(fields) = value.as_object_mut() {
        for part in ["metadata", "status"] {
            if let Some(part) = fields.get_mut(part).and_then(Value::as_object_mut) {
                part.retain(|_, value| !value.is_null());
            }
        }
        if let Some(body) = fields.get_mut(kind.body()) {
            *body = Body::new(kind, kind.storage_version(), body.take()).value;
        }
        fields.retain(|_, value| !value.is_null());
    }
    Object::from_value(value.clone()).map_err(|_| misshapen(kind, value))
}

/// Which part does not have the shape of the kind. The reader's own words are not repeated: they hold values.
fn misshapen(kind: Kind, mut value: Value) -> Misfit {
    let name = value["metadata"]["name"].take();
    let parts = ["status", "metadata", kind.body()];
    let part = parts.into_iter().find(|part| {
        let mut without = value.clone();
        if let Some(fields) = without.as_object_mut() {
            fields.remove(*part);
            fields.entry("metadata").or_insert_with(|| json!({"name": name}));
        }
        Object::from_value(without).is_ok()
    });
    let part = part.unwrap_or(kind.body());
    Misfit::new(
        part,
        format!("does not have the shape of a {kind}'s: compare it with the CRD's schema"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_that_is_not_served_still_names_its_object() {
        let document =
            json!({"apiVersion": "deckhouse.io/v9", "kind": "ModuleConfig", "metadata": {"name": "echo"}});
        assert_eq!(key(&document), Ok(Some((Kind::ModuleConfig, "echo".to_owned()))));
        let document = json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig"});
        assert_eq!(key(&document).unwrap_err().field, "metadata.name");
        let document = json!({"apiVersion": "v1", "kind": "Secret"});
        assert_eq!(key(&document), Ok(None));
    }

    #[test]
    fn names_the_part_that_has_another_shape_and_no_value() {
        let source = |status: Value, owners: Value| {
            json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource",
                "metadata": {"name": "example", "ownerReferences": owners},
                "spec": {"registry": {"repo": "registry.example.com/m"}}, "status": status,
            })
        };
        let fails = |value| to_stored(Kind::ModuleSource, value).unwrap_err();
        let status = fails(source(json!({"phase": "hunter2"}), json!([])));
        assert_eq!(status.field, "status");
        assert!(!status.message.contains("hunter2"));
        assert_eq!(fails(source(json!({}), json!("hunter2"))).field, "metadata");
        assert!(to_stored(Kind::ModuleSource, source(Value::Null, Value::Null)).is_ok());
    }
}
