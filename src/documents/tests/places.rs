use super::*;

/// `field` → `line:column`, for a list of fields.
fn places(document: &Document, fields: &[&str]) -> String {
    let mut words = String::new();
    for field in fields {
        writeln!(words, "{field} {}", document.place_of(field)).unwrap();
    }
    words
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
