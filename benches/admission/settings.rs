//! A module's settings and their schema, as modules write them: groups of a few dozen lines each.

use serde_json::{Map, Value, json};

/// The module whose settings have a schema.
pub const MODULE: &str = "metered";

/// Groups of fields in the schema; each is about 90 lines of YAML.
const GROUPS: usize = 6;

/// Lines of the schema as YAML.
pub fn schema_lines() -> usize {
    lines(&schema())
}

/// An OpenAPI schema of about 550 lines of YAML.
pub fn schema() -> Value {
    let groups: Map<String, Value> = (0..GROUPS)
        .map(|group| (name(group), group_schema(group)))
        .collect();
    json!({"type": "object", "additionalProperties": false, "properties": groups})
}

/// The definition of a module of that name.
pub fn definition(module: &str) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1",
        "kind": "ModuleSettingsDefinition",
        "metadata": {"name": module},
        "spec": {"versions": [{"name": "1", "schema": {"openAPIV3Schema": schema()}}]},
    })
}

fn name(group: usize) -> String {
    const NAMES: [&str; GROUPS] = ["ingress", "storage", "auth", "logging", "backup", "scaling"];
    NAMES[group % GROUPS].to_owned()
}

fn group_schema(group: usize) -> Value {
    json!({
        "type": "object",
        "required": ["mode"],
        "properties": {
            "enabled": {"type": "boolean", "default": true},
            "mode": {"type": "string", "enum": ["Disabled", "Standard", "Extended"]},
            "replicas": {"type": "integer", "minimum": 1, "maximum": 16, "default": 2 + group % 3},
            "host": {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"},
            "timeout": {"type": "string", "pattern": r"^[0-9]+(ms|s|m|h)$", "default": "30s"},
            "size": {"x-kubernetes-int-or-string": true},
            "nodeSelector": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
            "tolerations": {"type": "array", "items": {
                "type": "object",
                "properties": {
                    "key": {"type": "string"},
                    "operator": {"type": "string", "enum": ["Exists", "Equal"], "default": "Equal"},
                    "value": {"type": "string"},
                    "effect": {"type": "string"},
                },
            }},
            "cidrs": {"type": "array", "maxItems": 1000, "items": {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$"}},
            "pools": {"type": "object", "additionalProperties": {
                "type": "object",
                "required": ["cpu", "memory"],
                "properties": {
                    "cpu": {"x-kubernetes-int-or-string": true},
                    "memory": {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(E|P|T|G|M|k|Ei|Pi|Ti|Gi|Mi|Ki)?$"},
                    "minReplicas": {"type": "integer", "minimum": 0, "maximum": 100, "default": 1},
                    "maxReplicas": {"type": "integer", "minimum": 1, "maximum": 100},
                    "strategy": {"type": "string", "enum": ["Recreate", "RollingUpdate"], "default": "RollingUpdate"},
                    "spot": {"type": "boolean", "default": false},
                },
            }},
        },
    })
}

/// Settings that fit the schema and are about so long, in bytes of JSON; `turn` makes them differ in one field.
pub fn settings(bytes: usize, turn: usize) -> Value {
    let mut groups = Map::new();
    let mut rest = bytes;
    for group in 0..GROUPS {
        if rest < 120 {
            break;
        }
        let share = (rest / (GROUPS - group)).max(330);
        let value = group_settings(group, share, turn);
        rest = rest.saturating_sub(value.to_string().len() + 14);
        groups.insert(name(group), value);
    }
    groups.into()
}

fn group_settings(group: usize, bytes: usize, turn: usize) -> Value {
    let mut settings = json!({
        "mode": "Standard",
        "host": format!("{}.apps.example.com", name(group)),
        "size": if group.is_multiple_of(2) { json!("10Gi") } else { json!(10_240) },
        "nodeSelector": {"node-role.deckhouse.io/system": "", "topology.example.com/zone": "b"},
        "tolerations": [{"key": "dedicated.deckhouse.io", "value": "system", "effect": "NoExecute"}, {"operator": "Exists"}],
        "cidrs": ["10.111.0.0/16", "192.168.14.0/24"],
        "pools": {},
    });
    if group == 0 {
        settings["replicas"] = json!(1 + turn % 16);
    }
    let more = bytes.saturating_sub(settings.to_string().len()) / 80;
    let pools: Map<String, Value> = (0..more)
        .map(|i| {
            let pool =
                json!({"cpu": "250m", "maxReplicas": 2 + i % 8, "memory": "512Mi", "spot": i % 3 == 0});
            (format!("pool-{i}"), pool)
        })
        .collect();
    settings["pools"] = pools.into();
    settings
}

/// Lines of a value in YAML's block style.
fn lines(value: &Value) -> usize {
    match value {
        Value::Object(fields) if !fields.is_empty() => fields.values().map(field_lines).sum(),
        Value::Array(items) if !items.is_empty() => items.iter().map(lines).sum(),
        _ => 1,
    }
}

fn field_lines(value: &Value) -> usize {
    match value {
        Value::Object(fields) if !fields.is_empty() => 1 + lines(value),
        Value::Array(items) if !items.is_empty() => 1 + lines(value),
        _ => 1,
    }
}
