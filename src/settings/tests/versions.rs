//! Rule MC-6: versions, and definitions made of modules.

use super::*;

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
        PathFrom::Steps(steps) => {
            let told: Vec<String> = steps
                .iter()
                .map(|step| format!("{}>{}({})", step.from, step.to, step.filters.join(",")))
                .collect();
            told.concat()
        }
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
