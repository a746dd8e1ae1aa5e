//! Definitions as data: schema, settings, what is said.

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

#[test]
fn runs_rules_in_both_written_forms_at_any_level() {
    let schema = json!({
        "type": "object",
        "x-deckhouse-validations": [
            {"expression": "self.min <= self.max", "message": "min must not be over max"},
        ],
        "properties": {
            "min": {"type": "integer", "default": 1},
            "max": {"type": "integer", "default": 10},
            "list": {"type": "array", "items": {"type": "object",
                "properties": {"name": {"type": "string"}, "a-b": {"type": "string"}, "c_d": {"type": "string"}},
                "x-kubernetes-validations": [
                    {"rule": "self.name != 'bad'", "messageExpression": "'name ' + self.name + ' is bad'", "fieldPath": ".name"},
                    {"rule": "!has(self.a__dash__b) || self.a__dash__b.size() < 3"},
                    {"rule": "!has(self.c_d) || self['c_d'].matches('^\\\\d$')", "message": "one digit"},
                ]}},
            "map": {"type": "object", "additionalProperties": {"type": "integer",
                "x-kubernetes-validations": [{"rule": "self % 2 == 0", "message": "must be even"}]}},
        },
        "allOf": [{"x-deckhouse-validations": [{"expression": "self.min != 5", "message": "not five"}]}],
    });
    let table = [
        (json!({}), vec![]),
        (json!({"min": 11}), vec![": min must not be over max"]),
        (json!({"min": 5}), vec![": not five"]),
        (
            json!({"list": [{"name": "x"}, {"name": "bad"}]}),
            vec!["list[1].name: name bad is bad"],
        ),
        (
            json!({"list": [{"name": "é", "a-b": "ééé"}]}),
            vec!["list[0]: failed rule: !has(self.a__dash__b) || self.a__dash__b.size() < 3"],
        ),
        (json!({"list": [{"name": "x", "a-b": "éé"}]}), vec![]),
        (
            json!({"list": [{"name": "x", "c_d": "\u{664}"}]}),
            vec!["list[0]: one digit"],
        ),
        (json!({"map": {"a.b": 3, "c": 2}}), vec!["map[a.b]: must be even"]),
    ];
    let definition = definition(schema);
    assert_eq!(definition.problems(), []);
    for (settings, expected) in table {
        assert_eq!(
            said_of(&definition, settings.clone(), None),
            expected,
            "{settings}"
        );
    }
}

#[test]
fn refuses_with_the_error_of_a_rule_that_fails_at_run_time() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "x-kubernetes-validations": [{"rule": "self.a / self.b > 1", "message": "m"}]});
    assert_eq!(
        said(schema.clone(), json!({"a": 4, "b": 2})),
        Vec::<String>::new()
    );
    assert_eq!(
        said(schema.clone(), json!({"a": 1, "b": 0})),
        [": rule \"self.a / self.b > 1\" failed: division by zero"]
    );
    assert_eq!(
        said(schema, json!({"a": 1})),
        [": rule \"self.a / self.b > 1\" failed: no such key: b"]
    );
}

#[test]
fn skips_transition_rules_where_there_is_no_old_value() {
    let item = |more: Value| {
        let mut list = json!({"type": "array", "items": {"type": "object",
            "properties": {"name": {"type": "string"}, "size": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size", "message": "cannot shrink"}]}});
        for (key, value) in more.as_object().unwrap() {
            list[key] = value.clone();
        }
        list
    };
    let schema = object(json!({
        "fixed": {"type": "string", "x-deckhouse-validations": [{"expression": "self == oldSelf", "message": "immutable"}]},
        "disks": item(json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]})),
        "loose": item(json!({})),
        "map": {"type": "object", "additionalProperties": {"type": "integer",
            "x-kubernetes-validations": [{"rule": "self >= oldSelf", "message": "cannot shrink"}]}},
        "later": {"type": "string", "x-kubernetes-validations": [
            {"rule": "oldSelf.hasValue() || self == 'new'", "message": "starts as new", "optionalOldSelf": true}]},
    }));
    let old = json!({
        "fixed": "a", "disks": [{"name": "x", "size": 5}, {"name": "y", "size": 1}], "loose": [{"size": 5}],
        "map": {"k": 5}, "later": "new",
    });
    let table = [
        (json!({"fixed": "b"}), vec!["fixed: immutable"]),
        (
            json!({"disks": [{"name": "y", "size": 2}, {"name": "x", "size": 4}]}),
            vec!["disks[1]: cannot shrink"],
        ),
        (json!({"disks": [{"name": "z", "size": 0}]}), vec![]),
        (json!({"loose": [{"size": 1}]}), vec![]),
        (json!({"map": {"k": 4, "new": 0}}), vec!["map.k: cannot shrink"]),
        (json!({"later": "old"}), vec![]),
    ];
    let definition = definition(schema);
    assert_eq!(definition.problems(), []);
    for (settings, expected) in table {
        assert_eq!(
            said_of(&definition, settings.clone(), Some(old.clone())),
            expected,
            "{settings}"
        );
    }
    assert_eq!(
        said_of(&definition, json!({"fixed": "b", "map": {"k": 1}}), None),
        Vec::<String>::new()
    );
    assert_eq!(
        said_of(&definition, json!({"later": "old"}), None),
        ["later: starts as new"]
    );
}

#[test]
fn skips_rules_that_do_not_compile_and_tells_them() {
    let rules = [
        json!({"rule": "self.a ==", "message": "m"}),
        json!({"rule": "self.a == nothing", "message": "m"}),
        json!({"rule": "self.a.nonsense()", "message": "m"}),
        json!({"rule": "self.a == 1", "messageExpression": "'a' +"}),
        json!({"message": "m"}),
        json!({"rule": 1}),
        json!("x"),
        json!({"rule": "Foo{a: 1} == self"}),
        json!({"rule": "a".repeat(100_000)}),
        json!({"rule": format!("{}1{} == 1", "(".repeat(3000), ")".repeat(3000))}),
    ];
    let count = rules.len();
    let schema = json!({"type": "object", "x-kubernetes-validations": rules, "additionalProperties": true,
        "oneOf": [{"x-kubernetes-validations": [{"rule": "false"}]}]});
    let definition = definition(schema);
    assert_eq!(
        definition.problems().len(),
        count + 1,
        "{:#?}",
        definition.problems()
    );
    assert!(
        definition
            .problems()
            .iter()
            .all(|problem| problem.kind == ProblemKind::Rule)
    );
    assert!(said_of(&definition, json!({"a": 2}), None).is_empty());
}

#[test]
fn knows_the_functions_of_kubernetes() {
    for rule in [
        "self.s.startsWith('a') && self.s.endsWith('c') && self.s.contains('b')",
        "self.s.matches('^[a-c]+$') && self.s.find('b') == 'b'",
        "isURL('https://a.example.com') && url('https://a.example.com').getHost() == 'a.example.com'",
        "quantity('1Gi').isGreaterThan(quantity('1Mi'))",
        "isIP('10.0.0.1') && cidr('10.0.0.0/8').containsIP('10.0.0.1')",
        "semver('1.2.3').major() == 1",
        "self.l.isSorted() && self.l.sum() == 6 && self.l.max() == 3",
        "sets.contains([1, 2], [1])",
        "duration('1h') > duration('30m')",
        "math.greatest(1, 2) == 2",
        "self.s.lowerAscii() == 'abc' && self.s.split('b').size() == 2",
        "self.l.all(x, x > 0) && self.l.exists(x, x == 2) && self.l.exists_one(x, x == 3)",
        "self.l.map(x, x * 2).filter(x, x > 2).size() == 2",
        "int('1') + 1 == 2 && string(1) == '1'",
        "self.?missing.orValue('x') == 'x' && self.?s.hasValue() && self.?missing.?deeper.orValue(1) == 1",
        "self.r > 0 && self.r >= 1.0",
        "self.r == 1.0",
        "self.i == 1",
        "self.when > timestamp('2020-01-01T00:00:00Z')",
    ] {
        let schema = json!({"type": "object", "additionalProperties": true, "properties": {
            "s": {"type": "string"}, "l": {"type": "array", "items": {"type": "integer"}}, "r": {"type": "number"},
            "i": {"type": "integer"}, "when": {"type": "string", "format": "date-time"}},
            "x-kubernetes-validations": [{"rule": rule}]});
        let definition = definition(schema);
        let settings = json!({"s": "abc", "l": [1, 2, 3], "r": 1, "i": 1.0, "when": "2024-01-01T00:00:00Z"});
        println!(
            "{rule}: {:?} {:?}",
            definition.problems(),
            said_of(&definition, settings, None)
        );
    }
}

#[test]
fn bounds_the_nesting_of_rules() {
    let nested = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let mut rules = vec![
        format!("{}.a == 1 || true", "self".to_owned() + &".a".repeat(4000)),
        format!("{} > 0", vec!["1"; 8000].join("+")),
        vec!["true"; 2000].join(" && "),
        format!("{}true", "!".repeat(15_000)),
        format!("{}true{}", "true ? ".repeat(1000), " : true".repeat(1000)),
        format!("1 == {}1", "-".repeat(200)),
    ];
    for times in [3, 6, 7, 20, 40, 64, 65, 1000] {
        rules.push(nested("(", "true", ")", times));
        rules.push(format!("{} != []", nested("[", "1", "]", times)));
        rules.push(format!("size({}) == 1", nested("{1: ", "1", "}", times)));
        rules.push(nested("[1].all(x, ", "true", ")", times));
    }
    let schema = json!({"type": "object",
        "x-kubernetes-validations": rules.iter().map(|rule| json!({"rule": rule})).collect::<Vec<_>>()});
    // On a stack of the size that serving threads have.
    let definition = definition(schema);
    assert_eq!(
        definition
            .problems()
            .iter()
            .filter(|problem| problem.kind == ProblemKind::Cost)
            .count(),
        0
    );
    let judgement = definition.judge(&json!({}), None, None);
    assert!(
        judgement
            .violations
            .iter()
            .all(|violation| !violation.message.contains("failed rule")),
        "{judgement:?}"
    );
}

#[test]
fn does_not_let_rules_quote_secrets() {
    let schema = json!({"type": "object", "properties": {"password": {"type": "string"}, "n": {"type": "integer"}},
    "x-kubernetes-validations": [
        {"rule": "self.password != 'hunter2'", "message": "too weak", "messageExpression": "'bad: ' + self.password"},
        {"rule": "self.password != 'hunter2'", "messageExpression": "'n is ' + string(self.n)"},
        {"rule": "{'a': 1}[self.password] == 1"},
    ]});
    let said = said(schema, json!({"password": "hunter2", "n": 1}));
    assert_eq!(said[0], ": too weak");
    assert_eq!(said[1], ": n is 1");
    assert_eq!(said[2], ": rule \"{'a': 1}[self.password] == 1\" failed");
}

#[test]
fn ends_rules_that_take_too_long() {
    let rules = [
        "self.l.all(a, self.l.all(b, a + b >= 0))",
        "[self.l].all(l, l.all(a, l.all(b, l.exists(c, c == 1000000 || a == b + 1))))",
        "self.l.map(a, self.l.map(b, a)).size() > 0",
        "self.l.all(a, self.l.all(b, a + b >= 0)) || true",
    ];
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": rules.map(|rule| json!({"rule": rule}))});
    let definition = definition(schema);
    let settings = json!({"l": (0..100_000).collect::<Vec<_>>()});
    assert!(definition.is_heavy(&settings));
    let started = Instant::now();
    let judgement = definition.judge(&settings, None, Some(started + Duration::from_millis(600)));
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(judgement.violations, []);
    assert_eq!(judgement.skipped.len(), 4);
    assert!(definition.judge(&settings, None, Some(started)).skipped.len() == 4);
}

#[test]
fn tells_costs_without_acting_on_them() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "string"}}},
        "x-kubernetes-validations": [{"rule": "self.l.all(a, self.l.exists(b, a.startsWith(b)))"}]});
    let definition = definition(schema);
    assert_eq!(
        definition
            .problems()
            .iter()
            .map(|problem| problem.kind)
            .collect::<Vec<_>>(),
        [ProblemKind::Cost]
    );
    assert!(said_of(&definition, json!({"l": ["a"]}), None).is_empty());
}

fn version(number: u32, conversions: &[&str]) -> SchemaVersion {
    SchemaVersion {
        number,
        schema: json!({"type": "object"}),
        conversions: conversions.iter().map(|&filter| filter.to_owned()).collect(),
    }
}

fn path(definition: &Definition, from: u32) -> String {
    match definition.path_from(from) {
        PathFrom::Same => "same".to_owned(),
        PathFrom::None => "none".to_owned(),
        PathFrom::Steps(steps) => steps
            .iter()
            .map(|step| format!("{}>{}({})", step.from, step.to, step.filters.join(",")))
            .collect(),
    }
}

#[test]
fn finds_the_path_between_versions() {
    let table: [(&str, Vec<SchemaVersion>, u32, &str); 12] = [
        ("the latest", vec![version(1, &[]), version(2, &["."])], 2, "same"),
        ("newer", vec![version(1, &[]), version(2, &["."])], 3, "none"),
        (
            "one step",
            vec![version(1, &[]), version(2, &[".a", ".b"])],
            1,
            "1>2(.a,.b)",
        ),
        (
            "two steps",
            vec![version(3, &["."]), version(1, &[]), version(2, &["."])],
            1,
            "1>2(.)2>3(.)",
        ),
        (
            "from the middle",
            vec![version(1, &[]), version(2, &["."]), version(3, &["."])],
            2,
            "2>3(.)",
        ),
        (
            "over a gap",
            vec![version(1, &[]), version(3, &["."])],
            1,
            "1>3(.)",
        ),
        (
            "unlisted, covered",
            vec![version(1, &[]), version(3, &["."])],
            2,
            "2>3(.)",
        ),
        (
            "unlisted, before the first",
            vec![version(2, &["."]), version(3, &["."])],
            1,
            "1>2(.)2>3(.)",
        ),
        (
            "a listed one without conversions",
            vec![version(1, &[]), version(2, &[]), version(3, &["."])],
            1,
            "none",
        ),
        (
            "after that one",
            vec![version(1, &[]), version(2, &[]), version(3, &["."])],
            2,
            "2>3(.)",
        ),
        (
            "the latest without conversions",
            vec![version(1, &[]), version(2, &[])],
            1,
            "none",
        ),
        (
            "a filter that does not compile",
            vec![version(1, &[]), version(2, &["nonsense"]), version(3, &["."])],
            2,
            "none",
        ),
    ];
    for (name, versions, from, expected) in table {
        assert_eq!(path(&Definition::compile(versions), from), expected, "{name}");
    }
    let broken = Definition::compile(vec![version(1, &[]), version(2, &[".", "nonsense"])]);
    assert_eq!(broken.problems()[0].path, "versions[2].conversions[1]");
    assert_eq!(Definition::compile(vec![]).latest(), 0);
}

#[test]
fn digests_what_the_definition_says() {
    let digest = |versions| Definition::compile(versions).digest().to_owned();
    let one = digest(vec![version(1, &[]), version(2, &["."])]);
    assert_eq!(one, digest(vec![version(2, &["."]), version(1, &[])]));
    assert_ne!(one, digest(vec![version(1, &[]), version(2, &[". "])]));
    assert_ne!(
        digest(vec![version(1, &["a", "b"])]),
        digest(vec![version(1, &["ab"])])
    );
}

#[test]
fn makes_a_definition_out_of_a_modules_folder() {
    let config_values = object(json!({"a": {"type": "integer"}}));
    let mut latest = config_values.clone();
    latest["x-config-version"] = json!(3);
    let conversion = |number: u32, filter: &str| Conversion {
        file: format!("v{number}.yaml"),
        content: json!({"version": number, "conversions": [filter], "description": {"en": "moved", "ru": "x", "de": "y"}}),
    };
    let spec = author(&latest, &[conversion(3, ".a = .b"), conversion(2, ".b = .c")]).unwrap();
    assert_eq!(
        spec,
        json!({"versions": [
            {"name": "2", "conversions": [{"expr": [".b = .c"], "descriptions": {"en": "moved", "ru": "x"}}]},
            {"name": "3", "schema": {"openAPIV3Schema": latest},
             "conversions": [{"expr": [".a = .b"], "descriptions": {"en": "moved", "ru": "x"}}]},
        ]})
    );
    let definition = Definition::from_spec(&spec);
    assert_eq!(definition.problems(), []);
    assert_eq!(path(&definition, 1), "1>2(.b = .c)2>3(.a = .b)");
    assert_eq!(author(&config_values, &[]).unwrap()["versions"][0]["name"], "1");

    let too_new = author(&config_values, &[conversion(2, ".")])
        .unwrap_err()
        .to_string();
    assert_eq!(
        too_new,
        "conversions/v2.yaml: leads to version 2, but x-config-version of config-values.yaml is 1"
    );
    let mut misnamed = conversion(2, ".");
    misnamed.file = "v3.yaml".to_owned();
    assert!(
        author(&latest, &[misnamed])
            .unwrap_err()
            .to_string()
            .contains("the file's name says 3")
    );
    assert!(author(&latest, &[conversion(2, "."), conversion(2, ".")]).is_err());
    assert!(author(&json!([]), &[]).is_err());
    assert!(author(&json!({"x-config-version": "a"}), &[]).is_err());
}

#[test]
fn leaves_out_entries_of_a_definition_that_it_cannot_read() {
    let definition = Definition::from_spec(&json!({"versions": [
        {"name": "one"}, {"name": "2", "conversions": [{"expr": "x"}]}, {"name": "1", "schema": {"openAPIV3Schema": {}}}]}));
    assert_eq!(definition.problems().len(), 2);
    assert_eq!(definition.latest(), 1);
}

mod properties {
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
}
