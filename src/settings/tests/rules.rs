//! Rule MC-8: CEL.

use super::*;

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
        "self.r == 1.0 && self.r == 1 && 1 == self.r && self.i == 1.0 && self.r != 2 && !(self.r != 1)",
        "dyn(self.i) == 1",
        "self.l == [1, 2, 3] && self.l + [4] == [1, 2, 3, 4] && 2 in self.l && self.l[0] == 1",
        "self.missing == 1 || true",
        "'%d'.format([1]) == '1' && self.s.replace('a', 'b') == 'bbc'",
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
        "!!true".to_owned(),
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
        "[self.l].all(l, l.all(a, l.all(b, l.exists(c, c == 1000000 || c == a))))",
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
