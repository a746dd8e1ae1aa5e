//! What holds for every review, whatever it holds.

use super::cases::answer;
use crate::support::reviewer::Reviewer;
use hatchway::api::Kind;
use hatchway::rules::convert::convert;
use hatchway::webhook::Path;
use hatchway::world::World;
use proptest::prelude::*;
use serde_json::{Value, json};

fn answer(path: Path, body: &[u8]) -> Value {
    let reviewer = Reviewer::new(World::new());
    answer::decoded(&reviewer.answer(path, body))
}

fn review(operation: &str, object: &Value, old: Option<&Value>) -> Vec<u8> {
    let version = object["apiVersion"].as_str().unwrap().rsplit('/').next();
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": operation, "object": object, "oldObject": old,
            "kind": {"group": "deckhouse.io", "version": version, "kind": object["kind"]},
        },
    });
    review.to_string().into_bytes()
}

/// Any JSON, with the keys and values that rules look for among the others.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f32>().prop_map(Value::from),
        "[a-z:/ .0-9]{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "Embedded",
            "deckhouse",
            "8:00",
            "24:00",
            "Mon",
            "mon",
            "15s",
            "Manual",
            "registry.example.com/m",
            "1.0.0"
        ])
        .prop_map(Value::from),
    ];
    let keys = prop::sample::select(vec![
        "enabled",
        "version",
        "settings",
        "source",
        "updatePolicy",
        "imageTag",
        "scanInterval",
        "rollback",
        "registry",
        "repo",
        "scheme",
        "dockerCfg",
        "ca",
        "releaseChannel",
        "update",
        "mode",
        "windows",
        "from",
        "to",
        "days",
        "moduleName",
        "moduleReleaseSelector",
        "labelSelector",
        "requirements",
        "versions",
        "name",
        "other",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(keys.clone(), inner, 0..5).prop_map(|map| map
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

fn any_object() -> impl Strategy<Value = Value> {
    let versions: Vec<(Kind, &str)> = Kind::ALL
        .into_iter()
        .flat_map(|kind| kind.served().iter().map(move |served| (kind, served.version)))
        .collect();
    let annotations = prop::collection::btree_map(
        prop::sample::select(vec![
            "modules.deckhouse.io/force",
            "modules.deckhouse.io/forse",
            "modules.deckhouse.io/v1alpha1-fields",
            "note",
        ]),
        prop::sample::select(vec!["true", "perhaps", "{\"source\":\"example\"}", ""]),
        0..3,
    );
    let name = prop::sample::select(vec!["echo", "deckhouse", "global", "Embedded", "echo-v1.0.0"]);
    (prop::sample::select(versions), name, annotations, any_json()).prop_map(
        |((kind, version), name, annotations, body)| {
            json!({
                "apiVersion": format!("deckhouse.io/{version}"), "kind": kind.name(),
                "metadata": {"name": name, "annotations": annotations}, kind.body(): body,
            })
        },
    )
}

/// An object as an API server may hold it: its spec is an object.
fn convertible(kind: &'static str, version: &'static str) -> impl Strategy<Value = Value> {
    let spec = prop::collection::btree_map(
        prop::sample::select(vec!["imageTag", "scanInterval", "releaseChannel", "other"]),
        any_json(),
        0..3,
    );
    let mode = prop::option::of(prop::sample::select(vec!["Auto", "AutoPatch", "Manual"]));
    let note = prop::option::of("[a-z]{1,6}");
    (spec, mode, note, "[a-z]{0,6}", any::<bool>()).prop_map(move |(spec, mode, note, source, has_field)| {
        let mut object = json!({"apiVersion": format!("deckhouse.io/{version}"), "kind": kind, "metadata": {"name": "echo"}, "spec": spec});
        if kind == "ModuleUpdatePolicy" {
            // The defaulted form: what the versions understand differently is written out.
            object["spec"]["update"] = json!({"mode": mode.unwrap_or("Ignore")});
        }
        if let Some(note) = note {
            object["metadata"]["annotations"] = json!({"note": note});
        }
        let (field, value) = match kind {
            "ModulePullOverride" => ("source", json!(source)),
            _ => ("moduleReleaseSelector", json!({"labelSelector": {"matchLabels": {"module": source}}})),
        };
        match (has_field, version) {
            (false, _) => {}
            (true, "v1alpha1") => object["spec"][field] = value,
            (true, _) => {
                let text = json!({field: value}).to_string();
                object["metadata"]["annotations"]["modules.deckhouse.io/v1alpha1-fields"] = json!(text);
            }
        }
        object
    })
}

fn there_and_back(object: &Value) {
    let here = object["apiVersion"].as_str().unwrap();
    let there = if here.ends_with('1') {
        "deckhouse.io/v1alpha2"
    } else {
        "deckhouse.io/v1alpha1"
    };
    let mut converted = object.clone();
    convert(&mut converted, there).unwrap();
    assert_ne!(converted, *object);
    convert(&mut converted, here).unwrap();
    assert_eq!(converted, *object);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_get_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for path in Path::ALL {
            prop_assert_eq!(&answer(path, &bytes)["http"], &json!(400));
        }
    }

    #[test]
    fn any_object_gets_a_verdict(object in any_object(), old in any_object()) {
        prop_assert!(answer(Path::Validate, &review("CREATE", &object, None))["allowed"].is_boolean());
        let mut old = old;
        old["apiVersion"] = object["apiVersion"].clone();
        old["kind"] = object["kind"].clone();
        prop_assert!(answer(Path::Validate, &review("UPDATE", &object, Some(&old)))["allowed"].is_boolean());
        prop_assert!(answer(Path::Validate, &review("DELETE", &old, Some(&old)))["allowed"].is_boolean());
    }

    #[test]
    fn a_refusal_names_its_causes_and_a_verdict_its_rules(object in any_object()) {
        let verdict = answer(Path::Validate, &review("CREATE", &object, None));
        let rules = verdict["auditAnnotations"]["hatchway.rules"].as_str().unwrap();
        if verdict["allowed"] == false {
            let causes = verdict["status"]["details"]["causes"].as_array().unwrap();
            let joined: Vec<String> = causes
                .iter()
                .map(|cause| format!("{}: {}", cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap()))
                .collect();
            prop_assert_eq!(&verdict["status"]["message"], &json!(joined.join("; ")));
            prop_assert!(!rules.is_empty());
        }
        for warning in verdict["warnings"].as_array().into_iter().flatten() {
            prop_assert!(warning.as_str().unwrap().chars().count() <= 256);
        }
    }

    #[test]
    fn an_update_that_changes_nothing_is_allowed(object in any_object()) {
        prop_assert_eq!(&answer(Path::Validate, &review("UPDATE", &object, Some(&object)))["allowed"], &json!(true));
    }

    #[test]
    fn mutation_is_idempotent_and_never_refuses(object in any_object()) {
        let mut object = object;
        let first = answer(Path::Mutate, &review("CREATE", &object, None));
        prop_assert_eq!(&first["allowed"], &json!(true));
        if let Some(patch) = first.get("patch") {
            let patch: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
            json_patch::patch(&mut object, &patch).unwrap();
        }
        let second = answer(Path::Mutate, &review("CREATE", &object, None));
        prop_assert_eq!(second.get("patch"), None);
    }

    #[test]
    fn overrides_convert_there_and_back(
        old in convertible("ModulePullOverride", "v1alpha1"),
        new in convertible("ModulePullOverride", "v1alpha2"),
    ) {
        there_and_back(&old);
        there_and_back(&new);
    }

    #[test]
    fn policies_convert_there_and_back(
        old in convertible("ModuleUpdatePolicy", "v1alpha1"),
        new in convertible("ModuleUpdatePolicy", "v1alpha2"),
    ) {
        there_and_back(&old);
        there_and_back(&new);
    }
}
