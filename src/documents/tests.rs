use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn one(text: &str) -> Document {
    let mut reading = parse("world.yaml", text.as_bytes());
    assert_eq!(reading.problems, [], "{text}");
    assert_eq!(reading.documents.len(), 1, "{text}");
    reading.documents.remove(0)
}

fn problems(file: &str, text: &[u8]) -> Vec<String> {
    parse(file, text)
        .problems
        .iter()
        .map(ToString::to_string)
        .collect()
}

/// `field` → `line:column`, for a list of fields.
fn places(document: &Document, fields: &[&str]) -> String {
    fields
        .iter()
        .map(|field| format!("{field} {}\n", document.place_of(field)))
        .collect()
}

/// What the left side means was taken from `sigs.k8s.io/yaml`; `None` is an error there too. Only integral floats
/// differ on purpose: they stay floats.
const SCALARS: &[(&str, Option<&str>)] = &[
    ("yes", Some("true")),
    ("n", Some("false")),
    ("Off", Some("false")),
    ("\"yes\"", Some("\"yes\"")),
    ("~", Some("null")),
    ("", Some("null")),
    ("yEs", Some("\"yEs\"")),
    ("012", Some("10")),
    ("0o14", Some("12")),
    ("0O14", Some("12")),
    ("08", Some("8.0")),
    ("0_8", Some("8.0")),
    ("0x1F", Some("31")),
    ("-0x1f", Some("-31")),
    ("0x_1", Some("1")),
    ("0x", Some("\"0x\"")),
    ("0x-1", Some("\"0x-1\"")),
    ("0b101", Some("5")),
    ("0B11", Some("3")),
    ("-0b11", Some("-3")),
    ("0b2", Some("\"0b2\"")),
    ("1_000", Some("1000")),
    ("_1", Some("\"_1\"")),
    ("+12", Some("12")),
    ("+", Some("\"+\"")),
    ("0", Some("0")),
    ("00", Some("0")),
    ("-0", Some("0")),
    ("1.0", Some("1.0")),
    ("1.50", Some("1.5")),
    (".5", Some("0.5")),
    ("5.", Some("5.0")),
    ("1e3", Some("1000.0")),
    ("1E+3", Some("1000.0")),
    ("1e3_0", Some("1e30")),
    ("1_0.5", Some("10.5")),
    ("-0.0", Some("-0.0")),
    ("1e400", Some("\"1e400\"")),
    ("9223372036854775807", Some("9223372036854775807")),
    ("9223372036854775808", Some("9223372036854775808")),
    ("18446744073709551615", Some("18446744073709551615")),
    ("18446744073709551616", Some("18446744073709551616.0")),
    ("+18446744073709551615", Some("18446744073709551615.0")),
    ("-9223372036854775808", Some("-9223372036854775808")),
    ("-9223372036854775809", Some("-9223372036854775809.0")),
    ("2001-01-01", Some("\"2001-01-01\"")),
    (
        "2001-12-14t21:59:43.10-05:00",
        Some("\"2001-12-14t21:59:43.10-05:00\""),
    ),
    ("12:30", Some("\"12:30\"")),
    ("1:30:00", Some("\"1:30:00\"")),
    ("1.2.3", Some("\"1.2.3\"")),
    ("v1.2", Some("\"v1.2\"")),
    ("infinity", Some("\"infinity\"")),
    ("+nan", Some("\"+nan\"")),
    (".nan", None),
    ("-.inf", None),
    ("<<", Some("\"<<\"")),
    ("!!str 12", Some("\"12\"")),
    ("!!int \"3\"", Some("3")),
    ("!!float 1", Some("1.0")),
    ("!!bool \"yes\"", Some("true")),
    ("!!null \"\"", Some("null")),
    ("!!int x", None),
    ("!!binary aGVsbG8=", Some("\"hello\"")),
    ("!!binary '?'", None),
    ("!mine 3", Some("\"3\"")),
    ("! 3", Some("\"3\"")),
    ("!!timestamp 2001-01-01", Some("\"2001-01-01\"")),
    ("'it''s'", Some("\"it's\"")),
    ("|\n  x\n  y\n", Some("\"x\\ny\\n\"")),
    (">\n  x\n  y\n", Some("\"x y\\n\"")),
    ("\"\\u00e9\\n\"", Some("\"é\\n\"")),
];

#[test]
fn reads_scalars_as_kubectl_does() {
    for (text, expected) in SCALARS {
        let reading = parse("-", format!("a: {text}").as_bytes());
        let found = reading
            .documents
            .first()
            .map(|document| document.value["a"].to_string());
        let expected = expected.map(|json| serde_json::from_str::<Value>(json).unwrap().to_string());
        assert_eq!(found, expected, "{text}: {:?}", reading.problems);
        assert_eq!(reading.problems.len(), usize::from(expected.is_none()), "{text}");
    }
}

#[test]
fn reads_keys_merges_and_aliases_as_kubectl_does() {
    let cases = [
        ("on: 1", json!({"true": 1})),
        ("y: n", json!({"true": false})),
        ("1: a", json!({"1": "a"})),
        ("0x10: a", json!({"16": "a"})),
        ("1.5: a", json!({"1.5": "a"})),
        ("100000.0: a", json!({"100000": "a"})),
        ("-0.0: a", json!({"-0": "a"})),
        (
            "b: &x {p: 1}\na:\n  <<: *x\n  q: 2",
            json!({"a": {"p": 1, "q": 2}, "b": {"p": 1}}),
        ),
        (
            "b: &x {p: 1}\na:\n  <<: *x\n  p: 2",
            json!({"a": {"p": 2}, "b": {"p": 1}}),
        ),
        (
            "b: &x {p: 1}\na:\n  p: 2\n  <<: *x",
            json!({"a": {"p": 1}, "b": {"p": 1}}),
        ),
        (
            "b: &x {p: 1}\nc: &y {p: 2, q: 3}\na:\n  <<: [*x, *y]",
            json!({"a": {"p": 1, "q": 3}, "b": {"p": 1}, "c": {"p": 2, "q": 3}}),
        ),
        (
            "b: &x {p: 1}\na:\n  \"<<\": *x",
            json!({"a": {"<<": {"p": 1}}, "b": {"p": 1}}),
        ),
        ("!!merge <<: {a: 1}", json!({"a": 1})),
        ("&k a: *k", json!({"a": "a"})),
        (
            "a: &v [1, {b: 2}]\nc: *v\nd: *v",
            json!({"a": [1, {"b": 2}], "c": [1, {"b": 2}], "d": [1, {"b": 2}]}),
        ),
        (
            "{a: [b, {c: d}, [e]], 'f': }",
            json!({"a": ["b", {"c": "d"}, ["e"]], "f": null}),
        ),
        ("a: {}\nb: []", json!({"a": {}, "b": []})),
        ("a:\n- 1\n-\n- - 2", json!({"a": [1, null, [2]]})),
        ("&k a: 1\n*k : 2", json!({"a": 2})),
    ];
    for (text, expected) in cases {
        assert_eq!(one(text).value, expected, "{text}");
    }
}

#[test]
fn refuses_in_one_line_what_has_no_json_form() {
    let cases = [
        (
            "a: .nan",
            r#"w.yaml:1:4: ".nan" is no number that JSON knows; put it in quotes to make it text"#,
        ),
        (
            "a: !!int x",
            r#"w.yaml:1:10: "x" is tagged as an integer but is none"#,
        ),
        (
            "a: 1\n~: a",
            r#"w.yaml:2:1: "~" cannot be a key; put it in quotes"#,
        ),
        ("1e6: a", r#"w.yaml:1:1: "1e6" cannot be a key; put it in quotes"#),
        (
            "18446744073709551615: a",
            r#"w.yaml:1:1: "18446744073709551615" cannot be a key; put it in quotes"#,
        ),
        ("? [a]\n: b", "w.yaml:1:3: a list or a mapping cannot be a key"),
        (
            "a: &k [*k]",
            "w.yaml:1:8: the alias stands inside of what it is an alias of",
        ),
        (
            "a: 1\nb:\n  <<: 3",
            "w.yaml:3:3: the merge key << takes a mapping, or a list of mappings",
        ),
        (
            "a: *b",
            "w.yaml:1:4: is not YAML: while parsing node, found unknown anchor",
        ),
        (
            "- a",
            "w.yaml:1:1: expected a Kubernetes object (a mapping with apiVersion and kind), found a list",
        ),
        (
            "text",
            "w.yaml:1:1: expected a Kubernetes object (a mapping with apiVersion and kind), found a text",
        ),
        (
            "\n# one\na: 1\nb: [1\nc: 2\n",
            "w.yaml:5:2: is not YAML: illegal placement of ':' indicator",
        ),
        (
            "a: 1\n  b: 2",
            "w.yaml:2:4: is not YAML: mapping values are not allowed in this context",
        ),
        (
            "{\"a\": 1",
            "w.yaml:1:7: the JSON ends too early: EOF while parsing an object",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(problems("w.yaml", text.as_bytes()), [expected], "{text}");
    }
    // Good YAML, and no JSON.
    one("{\n  \"é\": x1}");
    assert_eq!(
        problems("w.json", "{\n  \"é\": x1}".as_bytes()),
        ["w.json:2:8: is not JSON: expected value"]
    );
    assert_eq!(
        problems("-", b"a: \"b"),
        ["<stdin>:1:4: is not YAML: unclosed quote"]
    );
}

#[test]
fn places_fields_of_a_block_style_document() {
    let document = one("\
# A module.
apiVersion: deckhouse.io/v1alpha1
kind: ModuleUpdatePolicy
metadata:
  name: fast
  annotations:
    modules.deckhouse.io/approved: \"true\"
spec:
  update:
    windows:
      - from: \"10:00\"
        to: \"12:00\"
      -
        from: x
");
    assert_eq!(document.start(), Place { line: 2, column: 1 });
    let found = places(
        &document,
        &[
            "kind",
            "metadata.annotations[modules.deckhouse.io/approved]",
            "metadata.annotations.modules.deckhouse.io/approved",
            "spec.update.windows",
            "spec.update.windows[0]",
            "spec.update.windows[0].to",
            "spec.update.windows[1].from",
            "spec.update.windows[1].days[3]",
            "spec.update.windows[7].from",
            "spec.update.mode",
            "metadata.name.x",
            "status",
        ],
    );
    assert_eq!(
        found,
        "\
kind 3:1
metadata.annotations[modules.deckhouse.io/approved] 7:5
metadata.annotations.modules.deckhouse.io/approved 7:5
spec.update.windows 10:5
spec.update.windows[0] 11:9
spec.update.windows[0].to 12:9
spec.update.windows[1].from 14:9
spec.update.windows[1].days[3] 14:9
spec.update.windows[7].from 10:5
spec.update.mode 9:3
metadata.name.x 5:3
status 2:1
"
    );
}

#[test]
fn places_fields_of_flow_style_and_json() {
    let yaml = one("spec: {é: [1, {b: 2}], 'c.d': {e: 3}}\n");
    let found = places(
        &yaml,
        &["spec.é", "spec.é[1]", "spec.é[1].b", "spec[c.d].e", "spec.c.d.e"],
    );
    assert_eq!(
        found,
        "spec.é 1:8\nspec.é[1] 1:15\nspec.é[1].b 1:16\nspec[c.d].e 1:32\nspec.c.d.e 1:32\n"
    );

    let json =
        one("\n{\"spec\": {\"é\": [1, {\"b\\u0062\": 2.5e3}],\n  \"c\": {\"d\": true, \"\\\"\": null}}}\n");
    assert_eq!(
        json.value,
        json!({"spec": {"é": [1, {"bb": 2500.0}], "c": {"d": true, "\"": null}}})
    );
    assert_eq!(json.start(), Place { line: 2, column: 1 });
    let found = places(
        &json,
        &[
            "spec.é",
            "spec.é[0]",
            "spec.é[1]",
            "spec.é[1].bb",
            "spec.c.d",
            "spec.c.\"",
            "spec.x",
        ],
    );
    assert_eq!(
        found,
        "spec.é 2:11\nspec.é[0] 2:17\nspec.é[1] 2:20\nspec.é[1].bb 2:21\nspec.c.d 3:9\nspec.c.\" 3:20\nspec.x 2:2\n"
    );
}

#[test]
fn places_the_documents_of_a_stream() {
    let text = "\
%YAML 1.1
---
# first
a: 1
---
--- # nothing
---
{\"b\": 2}
...
# third
%YAML 1.1
--- {c: 3}
---
null
---
d:
  e: '
    ---x'
";
    let reading = parse("s.yaml", text.as_bytes());
    assert_eq!(reading.problems, []);
    let found: Vec<_> = reading
        .documents
        .iter()
        .map(|document| (document.value.to_string(), document.start().to_string()))
        .collect();
    let expected = [
        ("{\"a\":1}", "4:1"),
        ("{\"b\":2}", "8:1"),
        ("{\"c\":3}", "12:5"),
        ("{\"d\":{\"e\":\" ---x\"}}", "16:1"),
    ];
    assert_eq!(
        found,
        expected.map(|(value, start)| (value.to_owned(), start.to_owned()))
    );
}

#[test]
fn one_broken_document_leaves_the_others() {
    let text = b"a: 1\n---\nb: [\n---\nc: \xff\n---\nd: \"\n---\ne: .inf\n---\nf: 6\n";
    let reading = parse("w.yaml", text);
    let values: Vec<_> = reading
        .documents
        .iter()
        .map(|document| document.value.to_string())
        .collect();
    assert_eq!(values, ["{\"a\":1}", "{\"f\":6}"]);
    let lines: Vec<_> = reading
        .problems
        .iter()
        .map(|problem| (problem.place.line, problem.place.column))
        .collect();
    assert_eq!(lines, [(3, 4), (5, 4), (8, 1), (9, 4)], "{:?}", reading.problems);
    assert_eq!(
        reading.problems[1].to_string(),
        "w.yaml:5:4: is not UTF-8 text; save the file as UTF-8"
    );

    let reading = parse("w.json", b"{\"a\":1}\n{\"b\":2} {\"c\":");
    assert_eq!(reading.documents.len(), 2);
    assert_eq!(reading.documents[1].place_of("b").to_string(), "2:2");
    assert_eq!(
        reading.problems[0].to_string(),
        "w.json:2:13: the JSON ends too early: EOF while parsing a value"
    );
}

#[test]
fn opens_lists_and_names_what_their_items_are() {
    let text = "\
apiVersion: v1
kind: List
items:
- kind: A
  spec: {a: 1}
- apiVersion: v1
  kind: List
  items:
    - kind: B
- 7
---
apiVersion: deckhouse.io/v1alpha1
kind: ModuleList
items:
- metadata:
    name: m
- kind: Own
---
kind: AllowList
spec: 1
---
{\"kind\": \"List\", \"items\": null}
";
    let reading = parse("w.yaml", text.as_bytes());
    let values: Vec<_> = reading
        .documents
        .iter()
        .map(|document| document.value.clone())
        .collect();
    assert_eq!(
        values,
        [
            json!({"kind": "A", "spec": {"a": 1}}),
            json!({"kind": "B"}),
            json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "Module", "metadata": {"name": "m"}}),
            json!({"kind": "Own"}),
            json!({"kind": "AllowList", "spec": 1}),
        ]
    );
    let starts: Vec<_> = reading
        .documents
        .iter()
        .map(|document| document.start().to_string())
        .collect();
    assert_eq!(starts, ["4:3", "9:7", "15:3", "17:3", "19:1"]);
    assert_eq!(reading.documents[0].place_of("spec.a").to_string(), "5:10");
    assert_eq!(reading.documents[0].place_of("apiVersion").to_string(), "4:3");
    assert_eq!(reading.documents[2].place_of("metadata.name").to_string(), "16:5");
    assert_eq!(reading.problems.len(), 1);
    assert_eq!(reading.problems[0].place, Place { line: 10, column: 3 });

    let json = parse(
        "w.json",
        br#"{"kind":"List","items":[{"a":1},{"b":{"c":[2]}}],"items":[{"z":9}]}"#,
    );
    assert_eq!(json.documents.len(), 1);
    assert_eq!(json.documents[0].place_of("z").to_string(), "1:60");
    assert_eq!(
        json.problems[0].to_string(),
        "w.json:1:50: the list has the field \"items\" twice; the last one counts"
    );
}

#[test]
fn finds_duplicate_keys_with_their_path() {
    let yaml = "spec:\n  a: 1\n  a: 2\n  w:\n  - {k: 1,   k: 2}\n  a/b: 1\n  a/b: 2\n";
    let json = r#"{"spec": {
  "a": 1,
  "a": 2, "w":
  [
  { "k":1,   "k": 2}],
  "a/b": 1,
  "a\/b": 2}}"#;
    for (text, expected) in [
        (yaml, ["spec.a 3:3", "spec[a/b] 7:3", "spec.w[0].k 5:14"]),
        (json, ["spec.a 3:3", "spec[a/b] 7:3", "spec.w[0].k 5:14"]),
    ] {
        let document = one(text);
        let found: Vec<_> = document
            .duplicates()
            .iter()
            .map(|it| format!("{} {}", it.path, it.place))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(
            document.value,
            json!({"spec": {"a": 2, "w": [{"k": 2}], "a/b": 2}})
        );
        assert_eq!(document.place_of("spec.a").line, 3);
    }
    // Kubernetes' reader makes one key of these.
    assert_eq!(one("yes: 1\n\"true\": 2").duplicates().len(), 1);
    // What a merge brings may be said again.
    assert_eq!(one("a: &x {b: 1}\nc: {<<: *x, b: 2}").duplicates(), []);
}

#[test]
fn places_aliased_and_merged_fields_where_they_are_defined() {
    let document = one("\
base: &base
  auth:
    password: x
one: *base
two:
  <<: *base
  own: 1
three:
  <<: [{p: 1}, *base]
  auth: 2
");
    assert_eq!(
        places(
            &document,
            &[
                "one",
                "one.auth.password",
                "two.auth.password",
                "two.own",
                "three.p",
                "three.auth",
                "two.x"
            ]
        ),
        "one 4:1\none.auth.password 3:5\ntwo.auth.password 3:5\ntwo.own 7:3\nthree.p 9:9\nthree.auth 10:3\ntwo.x 5:1\n"
    );
}

#[test]
fn stops_alias_bombs() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let found = problems("w.yaml", bomb.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with("aliases make the document too large"),
        "{found:?}"
    );

    let mut merges = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..60 {
        merges.push_str(&format!(
            "a{level}: &a{level} {{<<: [*a{0}, *a{0}]}}\n",
            level - 1
        ));
    }
    assert_eq!(problems("w.yaml", merges.as_bytes()).len(), 1);

    let long = "x".repeat(1 << 20);
    let text = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 10_000].join(", "));
    assert_eq!(problems("w.yaml", text.as_bytes()).len(), 1);
}

#[test]
fn a_hundred_thousand_brackets_are_an_error() {
    for (file, text) in [
        ("w.yaml", "[".repeat(100_000)),
        ("w.json", "[".repeat(100_000)),
        ("w.json", "{\"a\":".repeat(100_000)),
        ("w.yaml", "{\"a\":".repeat(100_000)),
        ("w.yaml", "{a: ".repeat(100_000)),
        ("w.yaml", "- ".repeat(100_000)),
        ("w.yaml", "a: ".to_owned() + &"[".repeat(100_000)),
        (
            "w.yaml",
            (0..1_000)
                .map(|depth| format!("{}a:\n", " ".repeat(depth)))
                .collect(),
        ),
    ] {
        let found = problems(file, text.as_bytes());
        assert_eq!(found.len(), 1);
        assert!(found[0].ends_with("nests deeper than 128 levels"), "{found:?}");
    }
    let deepest = format!("a: {}{}", "[".repeat(127), "]".repeat(127));
    one(&deepest);
    // Aliases nest, too: here each line is one level above the line before.
    let mut chain = "a0: &a0 [1]\n".to_owned();
    for level in 1..300 {
        chain.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
    }
    assert!(problems("w.yaml", chain.as_bytes())[0].ends_with("nests deeper than 128 levels"));
}

#[test]
fn passes_over_a_mark_of_byte_order_and_carriage_returns() {
    let document = one("\u{feff}a: 1\r\nb:\r\n  c: x\r\n");
    assert_eq!(document.value, json!({"a": 1, "b": {"c": "x"}}));
    assert_eq!(document.place_of("b.c").to_string(), "3:3");
    for empty in [
        "",
        "\n",
        "---\n",
        "# only\n",
        "---\n---\n...\n",
        "null",
        "\u{feff}",
    ] {
        let reading = parse("e.yaml", empty.as_bytes());
        assert_eq!(
            (reading.documents.len(), reading.problems.len()),
            (0, 0),
            "{empty:?}"
        );
    }
    assert_eq!(parse("e.json", b" \n").problems, []);
    assert_eq!(
        problems("w.yaml", b"\xff\xfea\0")[0],
        "w.yaml:1:1: is not UTF-8 text; save the file as UTF-8"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("JSON has no others", |number| number.is_finite())
            .prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
        "[ -~\n\t]*".prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[ -~é]{0,8}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::hash_map("[a-z./\\[\\]]{0,8}", inner, 0..6)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// The path of every field and item of a value, with what stands there.
fn walk(value: &Value, path: &str, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                walk(item, &path, paths);
                paths.push(path);
            }
        }
        Value::Object(map) => {
            for (key, value) in map {
                let path = format!("{path}[{key}]");
                walk(value, &path, paths);
                paths.push(path);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse("w.yaml", &bytes);
        let _ = parse("w.json", &bytes);
    }

    #[test]
    fn never_panics_on_what_looks_like_yaml(text in "([ \n\t{}\\[\\],:#&*!|>'\"%?a-c0-9.<~é-]|---|\\.\\.\\.|<<: |\\*a|&a |!!binary ){0,80}") {
        for document in parse("w.yaml", text.as_bytes()).documents {
            let mut paths = Vec::new();
            walk(&document.value, "", &mut paths);
            for path in paths {
                let place = document.place_of(&path);
                prop_assert!(place.line >= 1 && place.line <= text.lines().count().max(1) && place.column >= 1);
            }
        }
        let _ = parse("w.json", text.as_bytes());
    }

    #[test]
    fn reads_json_as_serde_json_does(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let expected: Value = serde_json::from_str(&text).unwrap();
        let reading = parse("w.json", text.as_bytes());
        prop_assert_eq!(&reading.problems, &[]);
        prop_assert_eq!(&reading.documents[0].value, &expected);
        prop_assert_eq!(reading.documents[0].duplicates(), &[]);
    }

    #[test]
    fn places_the_fields_of_json_as_those_of_yaml(value in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) }.unwrap();
        let (mut json, mut yaml) = (Vec::new(), Vec::new());
        json::read(&text, 0, 1, &mut json).unwrap();
        // YAML forbids some characters that JSON allows.
        if yaml::read(&text, 1, &mut yaml::Expansion::default(), &mut yaml).is_ok() {
            let mut paths = Vec::new();
            walk(&value, "", &mut paths);
            for path in paths {
                prop_assert_eq!(json[0].0.find(0, &path), yaml[0].0.find(0, &path), "{} in {}", path, text);
            }
        }
    }
}
