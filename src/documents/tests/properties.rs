use proptest::prelude::*;

use super::*;

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
