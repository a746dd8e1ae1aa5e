//! Settings judged by Hatchway and by a real API server: the same schema as a CRD, the same object, the same verdict,
//! and the same defaults.

use hatchway::settings::{Definition, SchemaVersion};
use serde_json::{Value, json};

use crate::support::control_plane::ControlPlane;

const KIND: &str = "Sample";

#[test]
fn settings_get_the_verdict_and_the_defaults_of_an_api_server() {
    let plane = ControlPlane::start();
    let samples = samples();
    install(&plane, &samples);
    let mut differences = Vec::new();
    for (name, schema, values) in &samples {
        let versions = vec![SchemaVersion {
            number: 1,
            schema: schema.clone(),
            conversions: Vec::new(),
        }];
        let definition = Definition::compile(versions);
        assert_eq!(definition.problems(), [], "{name}");
        let mut taken = 0;
        for value in values {
            let judgement = definition.judge(value, None, None);
            let ours = judgement
                .violations
                .is_empty()
                .then(|| definition.with_defaults(value));
            let (theirs, said) = stored(&plane, name, value);
            taken += usize::from(theirs.is_some());
            if ours != theirs {
                differences.push(format!(
                    "{name}: {value}\n  ours   {ours:?} {:?}\n  theirs {theirs:?} {said}",
                    judgement.violations
                ));
            }
        }
        // A sample that the API server takes whole, or refuses whole, would show nothing.
        assert!(
            (1..values.len()).contains(&taken),
            "{name}: {taken} of {}",
            values.len()
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// One CRD for all: each sample is a field of its spec.
fn install(plane: &ControlPlane, samples: &[(&str, Value, Vec<Value>)]) {
    let fields: serde_json::Map<_, _> = samples
        .iter()
        .map(|(name, schema, _)| ((*name).to_owned(), schema.clone()))
        .collect();
    let crd = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "samples.example.com"},
        "spec": {
            "group": "example.com", "scope": "Cluster",
            "names": {"kind": KIND, "plural": "samples"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": fields}},
                }},
            }],
        },
    });
    let applied = plane.kubectl_with(&["apply", "-f", "-"], &crd.to_string());
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    plane.established();
}

/// What the API server would store; `None` where it refuses, and why.
fn stored(plane: &ControlPlane, name: &str, value: &Value) -> (Option<Value>, String) {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": KIND, "metadata": {"name": "x"}, "spec": {name: value},
    });
    let answer = plane.kubectl_with(
        &["create", "--dry-run=server", "-o", "json", "-f", "-"],
        &object.to_string(),
    );
    let stored: Option<Value> = serde_json::from_str(&answer.stdout).ok();
    (
        stored
            .filter(|_| answer.code == 0)
            .map(|mut stored| stored["spec"][name].take()),
        answer.stderr,
    )
}

/// Schemas as modules write them, each with values of both kinds.
fn samples() -> Vec<(&'static str, Value, Vec<Value>)> {
    vec![
        (
            "scalars",
            json!({"type": "object", "properties": {
                "text": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[a-z]+$"},
                "count": {"type": "integer", "minimum": 1, "maximum": 9},
                "share": {"type": "number", "minimum": 0, "exclusiveMinimum": true, "maximum": 1},
                "step": {"type": "integer", "multipleOf": 5},
                "on": {"type": "boolean"},
                "mode": {"type": "string", "enum": ["Fast", "Slow"]},
            }}),
            vec![
                json!({}),
                json!({"text": "abc", "count": 1, "share": 0.5, "step": 10, "on": true, "mode": "Fast"}),
                json!({"text": "a"}),
                json!({"text": "abcde"}),
                json!({"text": "ABC"}),
                json!({"text": 5}),
                json!({"count": 0}),
                json!({"count": 10}),
                json!({"count": "3"}),
                json!({"share": 0}),
                json!({"share": 1}),
                json!({"step": 7}),
                json!({"on": "true"}),
                json!({"mode": "fast"}),
                json!({"unknown": 1}),
            ],
        ),
        (
            "required",
            json!({"type": "object", "required": ["host", "port"], "properties": {
                "host": {"type": "string"},
                "port": {"type": "integer", "default": 443},
            }}),
            vec![
                json!({}),
                json!({"host": "a"}),
                json!({"host": "a", "port": null}),
                json!({"host": null}),
            ],
        ),
        (
            "defaults",
            json!({"type": "object", "properties": {
                "auth": {"type": "object", "default": {}, "properties": {
                    "realm": {"type": "string", "default": "main"},
                    "users": {"type": "array", "items": {"type": "object", "properties": {
                        "name": {"type": "string"}, "role": {"type": "string", "default": "reader"},
                    }}},
                }},
                "labels": {"type": "object", "additionalProperties": {"type": "object", "properties": {
                    "weight": {"type": "integer", "default": 1},
                }}},
                "none": {"type": "object", "properties": {"deep": {"type": "string", "default": "x"}}},
            }}),
            vec![
                json!({}),
                json!({"auth": {"realm": null, "users": [{"name": "a"}, {"name": "b", "role": "admin"}]}}),
                json!({"labels": {"a": {}, "b": {"weight": 2}}, "none": {}}),
                json!({"auth": {"users": [{"name": 1}]}}),
            ],
        ),
        (
            "nullable",
            json!({"type": "object", "properties": {
                "maybe": {"type": "string", "nullable": true},
                "maybeDefault": {"type": "string", "nullable": true, "default": "d"},
                "never": {"type": "string"},
            }}),
            vec![
                json!({"maybe": null}),
                json!({"maybeDefault": null}),
                json!({"never": null}),
                json!({"maybe": 1}),
            ],
        ),
        (
            "lists",
            json!({"type": "object", "properties": {
                "names": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
                "open": {"type": "object", "additionalProperties": {"type": "integer"}, "maxProperties": 2},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            }}),
            vec![
                json!({"names": ["a"]}),
                json!({"names": []}),
                json!({"names": ["a", "b", "c"]}),
                json!({"names": ["a", 1]}),
                json!({"names": {"a": 1}}),
                json!({"open": {"a": 1, "b": 2}}),
                json!({"open": {"a": 1, "b": 2, "c": 3}}),
                json!({"open": {"a": "1"}}),
                json!({"free": {"a": {"b": [1, null, "c"]}}}),
            ],
        ),
        (
            "branches",
            json!({
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}, "port": {"x-kubernetes-int-or-string": true}},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            }),
            vec![
                json!({"a": "x"}),
                json!({"a": "x", "b": "y"}),
                json!({}),
                json!({"b": "y", "port": 80}),
                json!({"b": "y", "port": "http"}),
                json!({"b": "y", "port": true}),
            ],
        ),
        (
            "formats",
            json!({"type": "object", "properties": {
                "time": {"type": "string", "format": "date-time"},
                "date": {"type": "string", "format": "date"},
                "duration": {"type": "string", "format": "duration"},
                "address": {"type": "string", "format": "ipv4"},
                "range": {"type": "string", "format": "cidr"},
                "mail": {"type": "string", "format": "email"},
                "id": {"type": "string", "format": "uuid"},
                "bytes": {"type": "string", "format": "byte"},
                "other": {"type": "string", "format": "whatever"},
            }}),
            vec![
                json!({"time": "2026-01-02T03:04:05Z"}),
                json!({"time": "yesterday"}),
                json!({"date": "2026-01-02"}),
                json!({"date": "2026-13-02"}),
                json!({"duration": "1h30m"}),
                json!({"duration": "soon"}),
                json!({"address": "10.0.0.1"}),
                json!({"address": "10.0.0.256"}),
                json!({"range": "10.0.0.0/24"}),
                json!({"range": "10.0.0.0"}),
                json!({"mail": "a@example.com"}),
                json!({"mail": "a"}),
                json!({"id": "7111cee7-50cd-4ecf-ba20-d691b13b0f59"}),
                json!({"id": "7111"}),
                json!({"bytes": "YQ=="}),
                json!({"bytes": "%%%"}),
                json!({"other": "anything"}),
            ],
        ),
        (
            "rules",
            json!({
                "type": "object",
                "properties": {
                    "min": {"type": "integer", "default": 1}, "max": {"type": "integer"},
                    "names": {"type": "array", "maxItems": 8, "items": {"type": "string", "maxLength": 16}},
                },
                "x-kubernetes-validations": [
                    {"rule": "!has(self.max) || self.min <= self.max", "message": "min is larger than max"},
                    {"rule": "!has(self.names) || self.names.all(n, n.matches('^[a-z]+$'))", "message": "lower case only"},
                    {"rule": "self.min == oldSelf.min", "message": "min is fixed"},
                ],
            }),
            vec![
                json!({}),
                json!({"max": 3}),
                json!({"max": 0}),
                json!({"min": 4, "max": 3}),
                json!({"names": ["a", "b"]}),
                json!({"names": ["a", "B"]}),
            ],
        ),
    ]
}
