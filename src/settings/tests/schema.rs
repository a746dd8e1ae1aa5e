//! Rule MC-7: schema, defaults, words.

use super::*;

#[test]
fn names_what_was_expected_and_what_was_found() {
    let schema = object(json!({
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "mode": {"type": "string", "enum": ["Auto", "Manual"]},
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 3},
        "since": {"type": "string", "format": "date"},
        "list": {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "object", "properties": {
            "x": {"type": "boolean"}}, "required": ["x"]}},
        "tags": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
        "nothing": {"not": {"type": "string"}},
    }));
    let table = [
        (json!({"port": "x"}), "port: expected integer, found string \"x\""),
        (json!({"port": 0}), "port: expected at least 1, found 0"),
        (json!({"port": 1.5}), "port: expected integer, found number 1.5"),
        (json!({"port": [1]}), "port: expected integer, found array"),
        (
            json!({"mode": "Atuo"}),
            "mode: expected one of \"Auto\", \"Manual\", found \"Atuo\", did you mean \"Auto\"?",
        ),
        (
            json!({"name": "abcd"}),
            "name: expected at most 3 characters, found 4",
        ),
        (
            json!({"name": "A"}),
            "name: expected a string that matches \"^[a-z]+$\", found \"A\"",
        ),
        (
            json!({"since": "today"}),
            "since: expected format date, found \"today\"",
        ),
        (json!({"list": []}), "list: expected at least 1 item, found 0"),
        (
            json!({"list": [{}]}),
            "list[0].x: required key is missing, expected boolean",
        ),
        (
            json!({"list": [{"x": true}, {"x": 1}]}),
            "list[1].x: expected boolean, found integer 1",
        ),
        (
            json!({"tags": ["a", "b", "a"]}),
            "tags: items must differ, items 0 and 2 are both \"a\"",
        ),
        (
            json!({"labels": {"a.b/c": 1}}),
            "labels[a.b/c]: expected string, found integer 1",
        ),
        (json!({"ratio": 0}), "ratio: expected more than 0, found 0"),
        (
            json!({"prot": 1}),
            "prot: unknown key \"prot\", did you mean \"port\"?",
        ),
        (json!({"completely": 1}), "completely: unknown key \"completely\""),
        (
            json!({"nothing": "x"}),
            "nothing: expected anything but what the schema rules out here",
        ),
        (json!([]), ": expected object, found array"),
    ];
    for (settings, expected) in table {
        assert_eq!(said(schema.clone(), settings.clone()), [expected], "{settings}");
    }
    fine(
        schema,
        json!({"port": 80.0, "mode": "Auto", "name": "abc", "since": "2024-01-01", "ratio": 0.1}),
    );
}

#[test]
fn tells_all_violations_at_once_but_not_without_bound() {
    let schema =
        object(json!({"a": {"type": "integer"}, "b": {"type": "array", "items": {"type": "integer"}}}));
    assert_eq!(
        said(schema.clone(), json!({"a": "", "c": 1, "b": ["x", 2, "y"]})).len(),
        4
    );
    let judgement = definition(schema).judge(&json!({"b": vec!["x"; 100_000]}), None, None);
    assert_eq!(judgement.violations.len(), MAX_VIOLATIONS);
    assert!(judgement.more);
}

#[test]
fn never_quotes_a_secret() {
    let schema = object(json!({
        "auth": object(json!({"password": {"type": "string", "maxLength": 3, "pattern": "^a$"}})),
        "APIKey": {"type": "integer"},
        "tokens": {"type": "array", "items": {"type": "string", "enum": ["a"]}},
        "plain": {"type": "string", "x-sensitive": true, "enum": ["one", "two"]},
        "box": {"type": "object", "x-sensitive": true, "properties": {"deep": {"type": "string", "format": "ipv4"}}},
        "variants": {"oneOf": [
            {"type": "object", "properties": {"secretName": {"type": "integer"}}},
            {"type": "integer"}]},
        "list": {"type": "array", "uniqueItems": true, "x-sensitive": true, "items": {"type": "string"}},
    }));
    let settings = json!({
        "auth": {"password": "hunter2"}, "APIKey": "hunter2", "tokens": ["hunter2"], "plain": "hunter2",
        "box": {"deep": "hunter2"}, "variants": {"secretName": "hunter2"}, "list": ["hunter2", "hunter2"],
    });
    let said = said(schema, settings);
    assert_eq!(said.len(), 8, "{said:#?}");
    for line in &said {
        assert!(!line.contains("hunter2"), "{line}");
        assert!(line.contains("expected") || line.contains("differ"), "{line}");
    }
    assert!(
        said.contains(&"APIKey: expected integer, found string".to_owned()),
        "{said:#?}"
    );
    assert!(said.contains(&"plain: expected one of \"one\", \"two\"".to_owned()));
}

#[test]
fn fills_in_defaults_as_the_api_server_does() {
    let schema = object(json!({
        "a": {"type": "string", "default": "x"},
        "n": {"type": "string", "nullable": true, "default": "x"},
        "o": {"type": "object", "default": {}, "properties": {"p": {"type": "integer", "default": 1}}},
        "q": {"type": "object", "properties": {"p": {"type": "integer", "default": 1}}},
        "l": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "integer", "default": 1}}}},
        "i": {"type": "array", "items": {"type": "integer", "default": 7}},
        "m": {"type": "object", "additionalProperties": {"type": "object", "default": {}, "properties": {
            "p": {"type": "integer", "default": 1}}}},
        "z": {"type": "string"},
        "b": {"oneOf": [{"properties": {"x": {"default": 1}}}]},
    }));
    let base = json!({"a": "x", "n": "x", "o": {"p": 1}});
    let with = |more: Value| {
        let mut all = base.clone();
        for (key, value) in more.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    let table = [
        (json!({}), base.clone()),
        (json!({"a": null, "z": null}), base.clone()),
        (json!({"a": "own"}), with(json!({"a": "own"}))),
        (json!({"n": null}), with(json!({"n": null}))),
        (json!({"o": {"p": 2}}), with(json!({"o": {"p": 2}}))),
        (json!({"o": {"p": null}}), base.clone()),
        (json!({"q": {}}), with(json!({"q": {"p": 1}}))),
        (
            json!({"l": [{}, {"p": 3}]}),
            with(json!({"l": [{"p": 1}, {"p": 3}]})),
        ),
        (json!({"i": [null, 1]}), with(json!({"i": [7, 1]}))),
        (
            json!({"m": {"k": {}, "n": null}}),
            with(json!({"m": {"k": {"p": 1}, "n": {"p": 1}}})),
        ),
        (json!({"b": {}}), with(json!({"b": {}}))),
        (json!({"l": [null]}), with(json!({"l": [null]}))),
    ];
    let definition = definition(schema);
    for (settings, expected) in table {
        assert_eq!(definition.with_defaults(&settings), expected, "{settings}");
    }
}

#[test]
fn judges_required_after_defaults() {
    let schema = json!({"type": "object", "required": ["a", "b"], "properties": {
        "a": {"type": "string", "default": "x"}, "b": {"type": "string"}}});
    assert_eq!(
        said(schema.clone(), json!({})),
        ["b: required key is missing, expected string"]
    );
    assert_eq!(
        said(schema.clone(), json!({"b": null})),
        ["b: required key is missing, expected string"]
    );
    fine(schema, json!({"b": ""}));
}

#[test]
fn reads_nullable_and_enum_as_the_api_server_does() {
    let schema = object(json!({
        "a": {"type": "string", "nullable": true},
        "e": {"type": "string", "nullable": true, "enum": ["x", null]},
        "v": {"type": "object", "nullable": true, "oneOf": [{"required": ["x"]}], "additionalProperties": true},
        "u": {"nullable": true},
        "s": {"x-kubernetes-int-or-string": true},
        "p": {"type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": {"k": {"type": "integer"}}},
        "open": {"type": "object"},
        "closed": {"type": "object", "additionalProperties": false},
        "empty": {"type": "object", "properties": {}},
        "free": {"type": "object", "properties": {"k": {"type": "integer"}}, "additionalProperties": true},
    }));
    for settings in [
        json!({"a": null}),
        json!({"v": null}),
        json!({"v": {"x": 1}}),
        json!({"u": null}),
        json!({"u": [1]}),
        json!({"s": 1}),
        json!({"s": "50%"}),
        json!({"p": {"any": 1, "k": 2}}),
        json!({"open": {"any": 1}}),
        json!({"free": {"any": 1}}),
    ] {
        fine(schema.clone(), settings);
    }
    for settings in [
        json!({"e": null}),
        json!({"v": {}}),
        json!({"s": true}),
        json!({"p": {"k": "x"}}),
        json!({"closed": {"any": 1}}),
        json!({"empty": {"any": 1}}),
        json!({"free": {"k": ""}}),
    ] {
        assert_eq!(said(schema.clone(), settings.clone()).len(), 1, "{settings}");
    }
}

#[test]
fn knows_keys_that_only_a_branch_declares() {
    let schema = json!({"type": "object", "properties": {
        "type": {"type": "string"},
        "nested": {"type": "object", "properties": {"a": {"type": "string"}}},
    }, "oneOf": [
        {"properties": {"type": {"enum": ["A"]}, "a": {"type": "string"}}, "required": ["a"]},
        {"properties": {"type": {"enum": ["B"]}, "b": {"type": "integer"}, "nested": {"properties": {"y": {}}}},
         "required": ["b"]},
    ]});
    fine(schema.clone(), json!({"type": "A", "a": "x"}));
    fine(
        schema.clone(),
        json!({"type": "B", "b": 1, "nested": {"a": "x", "y": 1}}),
    );
    assert_eq!(
        said(schema.clone(), json!({"type": "A", "a": "x", "other": 1})),
        ["other: unknown key \"other\""]
    );
    assert_eq!(
        said(
            schema.clone(),
            json!({"type": "A", "a": "x", "nested": {"other": 1}})
        ),
        ["nested.other: unknown key \"other\""]
    );
    assert_eq!(
        said(schema.clone(), json!({"type": "other"})),
        [concat!(
            ": expected to fit exactly one of 2 variants, fits none: ",
            "1. type: expected \"A\", found \"other\" ",
            "2. type: expected \"B\", found \"other\"",
        )]
    );
    assert_eq!(
        said(
            json!({"anyOf": [{"type": "object", "required": ["a"]}, {"type": "integer"}]}),
            json!({})
        )
        .len(),
        1
    );
    assert_eq!(
        said(
            json!({"allOf": [{"required": ["a"]}, {"required": ["b"]}]}),
            json!({})
        )
        .len(),
        2
    );
    let two = json!({"oneOf": [{"type": "object"}, {"required": ["a"]}]});
    assert_eq!(
        said(two, json!({"a": 1})),
        [": expected to fit exactly one of 2 variants, fits several"]
    );
}

#[test]
fn follows_references_within_the_document() {
    let schema = json!({
        "type": "object",
        "definitions": {"port": {"type": "integer", "default": 80}, "both": {"$ref": "#/definitions/port"}},
        "properties": {"p": {"$ref": "#/definitions/port"}, "q": {"$ref": "#/definitions/both"}},
    });
    assert_eq!(
        said(schema.clone(), json!({"p": "x"})),
        ["p: expected integer, found string \"x\""]
    );
    assert_eq!(
        definition(schema).with_defaults(&json!({})),
        json!({"p": 80, "q": 80})
    );
}

#[test]
fn refuses_a_schema_that_cannot_be_used_and_lets_settings_pass() {
    let mut doubling = serde_json::Map::new();
    doubling.insert("d0".to_owned(), json!({"type": "string"}));
    for level in 1..40 {
        let below = format!("#/definitions/d{}", level - 1);
        doubling.insert(
            format!("d{level}"),
            object(json!({"a": {"$ref": below}, "b": {"$ref": below}})),
        );
    }
    let mut deep = json!({"type": "string"});
    for _ in 0..400 {
        deep = json!({"properties": {"a": deep}});
    }
    let table = [
        (
            json!({"definitions": {"a": {"$ref": "#/definitions/a"}}, "properties": {"x": {"$ref": "#/definitions/a"}}}),
            "circle",
        ),
        (
            object(json!({"x": object(json!({"y": {"$ref": "#/properties/x"}}))})),
            "circle",
        ),
        (json!({"properties": {"x": {"$ref": "#"}}}), "circle"),
        (
            json!({"properties": {"x": {"$ref": "file:///etc/passwd"}}}),
            "leaves the document",
        ),
        (
            json!({"properties": {"x": {"$ref": "https://example.com/s.json#/a"}}}),
            "leaves the document",
        ),
        (
            json!({"properties": {"x": {"$ref": "#/nowhere"}}}),
            "points at nothing",
        ),
        (
            json!({"definitions": doubling, "properties": {"x": {"$ref": "#/definitions/d39"}}}),
            "parts",
        ),
        (deep, "nested deeper"),
        (json!({"type": "strnig"}), "unknown"),
        (json!({"properties": {"a": {"minLength": "x"}}}), "whole number"),
        (json!({"properties": {"a": {"required": true}}}), "list of names"),
        (json!({"properties": {"a": 1}}), "must be an object"),
        (Value::Null, "no schema"),
    ];
    for (schema, expected) in table {
        let definition = definition(schema);
        let problem = definition
            .problems()
            .iter()
            .find(|problem| problem.kind == ProblemKind::Schema);
        let text = problem.map(ToString::to_string).unwrap_or_default();
        assert!(text.contains(expected), "{expected}: {text}");
        let judgement = definition.judge(&json!({"any": 1}), None, None);
        assert!(judgement.unjudged && judgement.violations.is_empty());
    }
}

#[test]
fn takes_wide_and_deep_schemas() {
    let wide: serde_json::Map<String, Value> = (0..10_000)
        .map(|n| (format!("key{n}"), json!({"type": "integer", "default": n})))
        .collect();
    let wide_definition = definition(object(Value::Object(wide)));
    assert_eq!(said_of(&wide_definition, json!({"key7": "x"}), None).len(), 1);
    assert_eq!(said_of(&wide_definition, json!({"kye77": 1}), None).len(), 1);
    let mut deep = json!({"type": "string"});
    let mut settings = json!(1);
    for _ in 0..200 {
        deep = object(json!({"a": deep}));
        settings = json!({"a": settings});
    }
    assert_eq!(said(deep, settings).len(), 1);
}

#[test]
fn leaves_out_what_it_cannot_express_and_tells_where() {
    let schema = object(json!({
        "a": {"type": "string", "pattern": "^(?=x)"},
        "b": {"type": "string", "pattern": "(((a{100}){100}){100}){100}"},
        "c": {"type": "object", "patternProperties": {"^x": {}}, "properties": {"k": {}}},
        "d": {"type": "string", "format": "whatever", "example": 1, "x-extend": {"schema": "y"}, "discriminator": {}},
    }));
    let definition = definition(schema);
    let told: Vec<(String, ProblemKind)> = definition
        .problems()
        .iter()
        .map(|problem| (problem.path.clone(), problem.kind))
        .collect();
    assert_eq!(
        told,
        [
            (
                "versions[1].schema.properties.a.pattern".to_owned(),
                ProblemKind::Pattern
            ),
            (
                "versions[1].schema.properties.b.pattern".to_owned(),
                ProblemKind::Pattern
            ),
            ("versions[1].schema.properties.c".to_owned(), ProblemKind::Keyword),
        ]
    );
    let settings = json!({"a": "anything", "b": "b", "c": {"xyz": 1}, "d": "d"});
    assert!(said_of(&definition, settings, None).is_empty());
}
