mod places;
mod properties;

use std::fmt::Write as _;

use serde_json::json;

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
            "w.yaml:1:10: the value is tagged as an integer but is none",
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
fn stops_alias_bombs() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    let found = problems("w.yaml", bomb.as_bytes());
    assert_eq!(found.len(), 1);
    assert!(
        found[0].ends_with("aliases make the document too large"),
        "{found:?}"
    );

    let mut merges = "a0: &a0 {x: 1}\n".to_owned();
    for level in 1..60 {
        writeln!(merges, "a{level}: &a{level} {{<<: [*a{0}, *a{0}]}}", level - 1).unwrap();
    }
    assert_eq!(problems("w.yaml", merges.as_bytes()).len(), 1);

    let long = "x".repeat(1 << 20);
    let text = format!("a: &a {long}\nb: [{}]\n", vec!["*a"; 10_000].join(", "));
    assert_eq!(problems("w.yaml", text.as_bytes()).len(), 1);
}

#[test]
fn a_hundred_thousand_brackets_are_an_error() {
    let staircase: Vec<_> = (0..1_000)
        .map(|depth| format!("{}a:", " ".repeat(depth)))
        .collect();
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
            staircase.join(
                "
",
            ),
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
        writeln!(chain, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
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

#[test]
fn reads_twenty_thousand_objects() {
    let object = "metadata: {name: x, labels: {a: b}}\nspec: {a: [1, 2, 3], b: {c: d}}\n";
    let text = vec![object; 20_000].join("---\n");
    let reading = parse("w.yaml", text.as_bytes());
    assert_eq!((reading.documents.len(), reading.problems.len()), (20_000, 0));
    assert_eq!(reading.documents[19_999].start().line, 59_998);
    let long = vec![b'#'; MAX_BYTES + 1];
    assert_eq!(problems("w.yaml", &long), ["w.yaml:1:1: is larger than 64 MiB"]);
}
