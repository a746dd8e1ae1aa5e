//! The conversion between the served versions of a kind (CV-1): total and lossless, since one object that fails
//! makes every list fail.

use crate::api::names::annotation::V1ALPHA1_FIELDS;
use crate::api::{GROUP, Kind, defaults};
use serde_json::{Map, Value, json};

/// Why an object cannot be converted; each names what an API server can hardly have stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConvertError {
    /// The kind is none of ours, or the object has none.
    #[error("kind '{0}' is none of Hatchway's")]
    UnknownKind(String),
    /// The version it is in, or shall be in, is not served.
    #[error("version '{0}' of this kind is not served")]
    UnknownVersion(String),
    /// The spec is no object.
    #[error("spec is no object")]
    Spec,
}

/// What should be told of a conversion that went well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Note {
    /// Nothing.
    None,
    /// The annotation that carries v1alpha1's fields cannot be read; it was left as it is and ignored.
    UnreadableAnnotation,
}

/// A field, and whether a value is one of its values.
type Field = (&'static str, fn(&Value) -> bool);

/// What v1alpha1 can say and v1alpha2 cannot, by kind: the field and whether a value of it is one.
const fn v1alpha1_field(kind: Kind) -> Option<Field> {
    match kind {
        Kind::ModulePullOverride => Some(("source", Value::is_string)),
        Kind::ModuleUpdatePolicy => Some(("moduleReleaseSelector", Value::is_object)),
        _ => None,
    }
}

/// Brings an object to `desired`, an `apiVersion` such as `deckhouse.io/v1alpha2`.
///
/// # Errors
/// [`ConvertError`], with the object untouched.
pub fn convert(object: &mut Value, desired: &str) -> Result<Note, ConvertError> {
    let name = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let kind = Kind::from_name(name).ok_or_else(|| ConvertError::UnknownKind(name.to_owned()))?;
    let current = object
        .get("apiVersion")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let from = served(kind, current)?;
    let to = served(kind, desired)?;
    if from == to {
        return Ok(Note::None);
    }
    if !object.get("spec").is_some_and(Value::is_object) {
        return Err(ConvertError::Spec);
    }
    let Some(field) = v1alpha1_field(kind) else {
        return Ok(Note::None);
    };
    write_out_default(kind, from, &mut object["spec"]);
    object["apiVersion"] = json!(desired);
    Ok(if to == "v1alpha1" {
        to_fields(object, field)
    } else {
        to_annotation(object, field)
    })
}

/// The object in v1alpha1, where it carries what only that version can say.
pub(super) fn as_v1alpha1(object: &Value) -> Option<Value> {
    let kind = Kind::from_name(object.get("kind")?.as_str()?)?;
    let (field, fits) = v1alpha1_field(kind)?;
    let mut converted = object.clone();
    convert(&mut converted, &format!("{GROUP}/v1alpha1")).ok()?;
    converted["spec"]
        .get(field)
        .is_some_and(fits)
        .then_some(converted)
}

fn served(kind: Kind, api_version: &str) -> Result<&'static str, ConvertError> {
    let version = api_version
        .strip_prefix(GROUP)
        .and_then(|rest| rest.strip_prefix('/'));
    version
        .and_then(|version| kind.version(version))
        .ok_or_else(|| ConvertError::UnknownVersion(api_version.to_owned()))
}

/// A default that differs between the versions must be written out before the version changes, or it would change
/// its meaning.
fn write_out_default(kind: Kind, version: &'static str, spec: &mut Value) {
    for default in defaults::of(kind, version).filter(|default| default.version.is_some()) {
        let mut here = &mut *spec;
        for (depth, key) in default.path.iter().enumerate().skip(1) {
            let Some(fields) = here.as_object_mut() else { break };
            let is_last = depth + 1 == default.path.len();
            let empty = if is_last { default.value.clone() } else { json!({}) };
            let value = fields.entry(*key).or_insert(Value::Null);
            if value.is_null() {
                *value = empty;
            }
            here = value;
        }
    }
}

/// To v1alpha1: the annotation's field comes back, and the annotation goes. A field that is there already wins.
fn to_fields(object: &mut Value, (field, fits): Field) -> Note {
    let Some(text) = object
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(V1ALPHA1_FIELDS))
    else {
        return Note::None;
    };
    let fields = text
        .as_str()
        .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok());
    let Some(mut fields) = fields.filter(|fields| fields.get(field).is_none_or(fits)) else {
        return Note::UnreadableAnnotation;
    };
    if let (Some(value), Some(spec)) = (fields.remove(field), object["spec"].as_object_mut()) {
        spec.entry(field).or_insert(value);
    }
    remove_annotation(object);
    Note::None
}

/// To v1alpha2: the annotation is written from the field alone; one that cannot be read stays where there is no
/// field to put in its place.
fn to_annotation(object: &mut Value, (field, _): Field) -> Note {
    let value = object["spec"].as_object_mut().and_then(|spec| spec.remove(field));
    if let Some(value) = value.filter(|value| !value.is_null()) {
        let text = json!({field: value}).to_string();
        if let Some(metadata) = entry_object(object, "metadata")
            && let Some(annotations) = entry(metadata, "annotations")
        {
            annotations.insert(V1ALPHA1_FIELDS.to_owned(), json!(text));
        }
        return Note::None;
    }
    let Some(text) = object
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(V1ALPHA1_FIELDS))
    else {
        return Note::None;
    };
    let is_readable = text
        .as_str()
        .is_some_and(|text| serde_json::from_str::<Map<String, Value>>(text).is_ok());
    if !is_readable {
        return Note::UnreadableAnnotation;
    }
    remove_annotation(object);
    Note::None
}

fn remove_annotation(object: &mut Value) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else {
        return;
    };
    annotations.remove(V1ALPHA1_FIELDS);
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

fn entry_object<'v>(value: &'v mut Value, key: &str) -> Option<&'v mut Map<String, Value>> {
    entry(value.as_object_mut()?, key)
}

fn entry<'v>(fields: &'v mut Map<String, Value>, key: &str) -> Option<&'v mut Map<String, Value>> {
    let value = fields.entry(key).or_insert_with(|| json!({}));
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn convert_to(object: &Value, version: &str) -> (Value, Note) {
        let mut object = object.clone();
        let note = convert(&mut object, &format!("deckhouse.io/{version}")).unwrap();
        (object, note)
    }

    fn override_(version: &str, annotations: &Value, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("deckhouse.io/{version}"), "kind": "ModulePullOverride",
            "metadata": {"name": "echo", "annotations": annotations}, "spec": spec,
        })
    }

    #[test]
    fn a_source_travels_in_the_annotation_and_comes_back() {
        let old = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModulePullOverride",
            "metadata": {"name": "echo"}, "spec": {"imageTag": "main", "source": "example"},
        });
        let (new, _) = convert_to(&old, "v1alpha2");
        assert_eq!(new["spec"], json!({"imageTag": "main"}));
        assert_eq!(
            new["metadata"]["annotations"][V1ALPHA1_FIELDS],
            json!(r#"{"source":"example"}"#)
        );
        assert_eq!(convert_to(&new, "v1alpha1").0, old);
    }

    #[test]
    fn a_field_wins_over_the_annotation() {
        let annotations = json!({V1ALPHA1_FIELDS: r#"{"source":"a"}"#});
        let (new, _) = convert_to(
            &override_("v1alpha1", &annotations, &json!({"source": "b"})),
            "v1alpha2",
        );
        assert_eq!(
            new["metadata"]["annotations"][V1ALPHA1_FIELDS],
            json!(r#"{"source":"b"}"#)
        );
        let (old, _) = convert_to(
            &override_("v1alpha2", &annotations, &json!({"source": "b"})),
            "v1alpha1",
        );
        assert_eq!(old["spec"]["source"], json!("b"));
        let (new, _) = convert_to(&override_("v1alpha1", &annotations, &json!({})), "v1alpha2");
        assert_eq!(new["metadata"], json!({"name": "echo"}));
    }

    #[test]
    fn an_annotation_that_cannot_be_read_is_left_and_told() {
        for text in ["{", "[]", r#"{"source":5}"#] {
            let new = override_(
                "v1alpha2",
                &json!({V1ALPHA1_FIELDS: text}),
                &json!({"imageTag": "main"}),
            );
            let (old, note) = convert_to(&new, "v1alpha1");
            assert_eq!(note, Note::UnreadableAnnotation);
            assert_eq!((&old["metadata"], &old["spec"]), (&new["metadata"], &new["spec"]));
        }
    }

    #[test]
    fn a_default_that_differs_is_written_out() {
        let policy = |version: &str, spec: &Value| json!({"apiVersion": format!("deckhouse.io/{version}"), "kind": "ModuleUpdatePolicy", "metadata": {"name": "p"}, "spec": spec});
        let (new, _) = convert_to(&policy("v1alpha1", &json!({})), "v1alpha2");
        assert_eq!(new["spec"], json!({"update": {"mode": "AutoPatch"}}));
        let (old, _) = convert_to(
            &policy("v1alpha2", &json!({"update": {"windows": []}})),
            "v1alpha1",
        );
        assert_eq!(old["spec"], json!({"update": {"windows": [], "mode": "Auto"}}));
    }

    #[test]
    fn only_what_cannot_have_been_stored_fails() {
        let mut object = json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "Pod"});
        let error = convert(&mut object, "deckhouse.io/v1alpha2").unwrap_err();
        assert_eq!(error, ConvertError::UnknownKind("Pod".to_owned()));
        let mut object = override_("v1alpha1", &json!({}), &json!({}));
        assert!(matches!(
            convert(&mut object, "deckhouse.io/v1beta1"),
            Err(ConvertError::UnknownVersion(_))
        ));
        let mut object = override_("v1alpha1", &json!({}), &json!("x"));
        assert_eq!(
            convert(&mut object, "deckhouse.io/v1alpha2"),
            Err(ConvertError::Spec)
        );
    }

    proptest! {
        #[test]
        fn overrides_survive_the_way_there_and_back(
            source in proptest::option::of("[a-z]{0,8}"),
            note in proptest::option::of("[a-z]{1,8}"),
        ) {
            let mut object = json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModulePullOverride",
                "metadata": {"name": "echo"}, "spec": {"imageTag": "main"},
            });
            if let Some(source) = source { object["spec"]["source"] = json!(source); }
            if let Some(note) = note { object["metadata"]["annotations"] = json!({"note": note}); }
            let (there, _) = convert_to(&object, "v1alpha2");
            prop_assert_eq!(convert_to(&there, "v1alpha1").0, object);
        }
    }
}
