//! Structural schemas made from the Rust types: what the CRDs hold and what a review's object is checked against.

use super::{
    Kind, ModuleConfigSpec, ModuleConfigStatus, ModuleProperties, ModulePullOverrideSpec,
    ModulePullOverrideSpecV1alpha1, ModulePullOverrideStatus, ModuleReleaseSpec, ModuleReleaseStatus,
    ModuleSettingsDefinitionSpec, ModuleSourceSpec, ModuleSourceStatus, ModuleStatus, ModuleUpdatePolicySpec,
    ModuleUpdatePolicySpecV1alpha1, defaults,
};
use kube_core::schema::StructuralSchemaRewriter;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The schema of what people write (`spec`, or `properties`) in one version, defaults included.
pub fn body(kind: Kind, version: &str) -> Value {
    let mut schema = match (kind, version) {
        (Kind::ModuleConfig, _) => schema_of::<ModuleConfigSpec>(),
        (Kind::ModulePullOverride, "v1alpha1") => schema_of::<ModulePullOverrideSpecV1alpha1>(),
        (Kind::ModulePullOverride, _) => schema_of::<ModulePullOverrideSpec>(),
        (Kind::ModuleSource, _) => schema_of::<ModuleSourceSpec>(),
        (Kind::ModuleUpdatePolicy, "v1alpha1") => schema_of::<ModuleUpdatePolicySpecV1alpha1>(),
        (Kind::ModuleUpdatePolicy, _) => schema_of::<ModuleUpdatePolicySpec>(),
        (Kind::ModuleRelease, _) => schema_of::<ModuleReleaseSpec>(),
        (Kind::Module, _) => schema_of::<ModuleProperties>(),
        (Kind::ModuleSettingsDefinition, _) => schema_of::<ModuleSettingsDefinitionSpec>(),
    };
    for default in defaults::of(kind, version) {
        let within = default.path.get(1..).unwrap_or_default();
        insert_default(&mut schema, within, &default.value, default.make_parents);
    }
    schema
}

/// The schema of what Hatchway writes, for the kinds that have a status.
pub fn status(kind: Kind) -> Option<Value> {
    match kind {
        Kind::ModuleConfig => Some(schema_of::<ModuleConfigStatus>()),
        Kind::ModulePullOverride => Some(schema_of::<ModulePullOverrideStatus>()),
        Kind::ModuleSource => Some(schema_of::<ModuleSourceStatus>()),
        Kind::ModuleRelease => Some(schema_of::<ModuleReleaseStatus>()),
        Kind::Module => Some(schema_of::<ModuleStatus>()),
        Kind::ModuleUpdatePolicy | Kind::ModuleSettingsDefinition => None,
    }
}

/// The schema at a path of property names, `[]` standing for the items of a list.
pub fn at<'a>(schema: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter().try_fold(schema, |schema, key| match *key {
        "[]" => schema.get_mut("items"),
        key => schema.get_mut("properties")?.get_mut(key),
    })
}

fn insert_default(schema: &mut Value, path: &[&str], value: &Value, make_parents: bool) {
    for length in 1..=path.len() {
        let Some(here) = at(schema, &path[..length]).and_then(Value::as_object_mut) else {
            return;
        };
        if length == path.len() {
            here.insert("default".to_owned(), value.clone());
        } else if make_parents {
            // The API server fills defaults from the outside in: an empty object is enough.
            here.insert("default".to_owned(), json!({}));
        }
    }
}

fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::openapi3()
        .with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        })
        .with_transform(RecursiveTransform(unwrap_optional))
        .with_transform(StructuralSchemaRewriter);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema, true);
    schema
}

/// An optional field is, to schemars, either its type or null: put the type in its place, under the field's own
/// description.
fn unwrap_optional(schema: &mut schemars::Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let inner = match object.get("anyOf").and_then(Value::as_array).map(Vec::as_slice) {
        Some([Value::Object(inner), null]) if null.get("enum") == Some(&json!([null])) => inner.clone(),
        _ => return,
    };
    object.remove("anyOf");
    for (key, value) in inner {
        object.entry(key).or_insert(value);
    }
}

/// Takes out what API servers do not know or what says nothing: titles, unsigned formats, and `nullable`, since an
/// optional field that is null counts as absent and the API server prunes it.
fn tidy(schema: &mut Value, root: bool) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for key in ["nullable", "title", "$schema"] {
        object.remove(key);
    }
    if root {
        object.remove("description");
    }
    if let Some(Value::String(format)) = object.get("format")
        && format.starts_with("uint")
    {
        object.remove("format");
        object.entry("minimum").or_insert(json!(0));
    }
    if let Some(default) = object.get("default")
        && (default.is_null() || default.as_array().is_some_and(Vec::is_empty) || *default == json!({}))
    {
        object.remove("default");
    }
    for key in ["minimum", "maximum"] {
        // 1.0 and 1 are one number, but only one of them is what people would write.
        if let Some(number) = object.get(key).and_then(Value::as_f64)
            && number.fract() == 0.0
        {
            #[allow(clippy::cast_possible_truncation)] // bounds in the schemas are small whole numbers
            object.insert(key.to_owned(), json!(number as i64));
        }
    }
    open_free_objects(object);
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(|property| tidy(property, false));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            tidy(inner, false);
        }
    }
}

/// A map of anything is, in a CRD, an object whose unknown fields are preserved.
fn open_free_objects(object: &mut Map<String, Value>) {
    let free = object
        .get("additionalProperties")
        .is_some_and(|inner| *inner == json!(true) || inner.as_object().is_some_and(Map::is_empty));
    if free || object.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true)) {
        object.remove("additionalProperties");
        object.insert("x-kubernetes-preserve-unknown-fields".to_owned(), json!(true));
        object.insert("type".to_owned(), json!("object"));
    }
}
