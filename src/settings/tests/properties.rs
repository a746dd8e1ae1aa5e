//! What holds for every schema and every settings.

use proptest::prelude::*;

use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i32>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "[a-d]{0,3}".prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::btree_map("[a-d]", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

/// Schemas that are often well-formed and sometimes not.
fn any_schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "default": "a", "pattern": "^[a-c]*$"})),
        Just(json!({"type": "integer", "nullable": true, "minimum": 3, "exclusiveMinimum": true})),
        Just(json!({"type": "integer", "default": 1})),
        Just(json!({"x-kubernetes-int-or-string": true, "enum": [1, "a", null]})),
        Just(json!({"$ref": "#/properties/a"})),
        Just(json!({"type": "string", "format": "date-time", "x-sensitive": true})),
        any_json(),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::btree_map("[a-d]", inner.clone(), 0..4)
                .prop_map(|map| json!({"type": "object", "properties": map, "default": {}})),
            inner
                .clone()
                .prop_map(|items| json!({"type": "array", "items": items})),
            inner
                .clone()
                .prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|list| json!({"oneOf": list, "nullable": true})),
            (inner.clone(), inner)
                .prop_map(|(a, b)| json!({"allOf": [a, b], "properties": {"a": {"not": {}}}})),
        ]
    })
}

proptest! {
    #[test]
    fn never_panics(schema in any_schema(), settings in any_json()) {
        let definition = definition(schema);
        let judgement = definition.judge(&settings, Some(&settings), None);
        prop_assert!(judgement.violations.len() <= MAX_VIOLATIONS);
    }

    #[test]
    fn fills_in_defaults_only_once(schema in any_schema(), settings in any_json()) {
        let definition = definition(schema);
        let once = definition.with_defaults(&settings);
        prop_assert_eq!(definition.with_defaults(&once), once);
    }
}
