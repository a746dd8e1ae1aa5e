//! Whole objects: what a file said, what others did, what the file says now, and what the object is then.

use super::*;

/// One object through two looks.
struct Case {
    name: &'static str,
    /// What the file says at first; a JSON document.
    first: Value,
    /// What others do to the object between the looks.
    touch: fn(&mut Value),
    /// What the file says then.
    then: Value,
    /// The object without `uid` and `creationTimestamp`.
    becomes: Value,
}

fn untouched(_: &mut Value) {}

fn config(metadata: Value, rest: Value) -> Value {
    object("ModuleConfig", "v1alpha1", "echo", metadata, rest)
}

fn object(kind: &str, version: &str, name: &str, metadata: Value, rest: Value) -> Value {
    let mut value = rest;
    value["apiVersion"] = json!(format!("deckhouse.io/{version}"));
    value["kind"] = json!(kind);
    value["metadata"] = metadata;
    value["metadata"]["name"] = json!(name);
    value
}

/// The metadata of the server beside what is expected of labels and the like.
fn at(version: u32, generation: u32, mut metadata: Value) -> Value {
    metadata["resourceVersion"] = json!(version.to_string());
    metadata["generation"] = json!(generation);
    metadata
}

fn cases() -> Vec<Case> {
    let spec = |spec: Value| json!({"spec": spec});
    vec![
        Case {
            name: "what the file says wins, also over others",
            first: config(
                json!({"labels": {"a": "1", "n": null}, "annotations": null}),
                spec(json!({"enabled": true})),
            ),
            touch: |value| {
                value["metadata"]["labels"]["a"] = json!("theirs");
                value["spec"]["enabled"] = json!(false);
            },
            then: config(json!({"labels": {"a": "2"}}), spec(json!({"enabled": true}))),
            becomes: config(
                at(3, 3, json!({"labels": {"a": "2"}})),
                spec(json!({"enabled": true})),
            ),
        },
        Case {
            name: "what the file does not say stays",
            first: config(json!({"labels": {"a": "1"}}), spec(json!({"enabled": true}))),
            touch: |value| {
                value["metadata"]["labels"]["b"] = json!("theirs");
                value["metadata"]["annotations"] = json!({"renew": ""});
                value["metadata"]["finalizers"] = json!(["modules.deckhouse.io/module-registered"]);
                value["spec"]["maintenance"] = json!("NoResourceReconciliation");
                value["status"] = json!({"version": "1", "message": "Ready"});
            },
            then: config(json!({"labels": {"a": "1"}}), spec(json!({"enabled": false}))),
            becomes: config(
                at(
                    3,
                    3,
                    json!({
                        "labels": {"a": "1", "b": "theirs"}, "annotations": {"renew": ""},
                        "finalizers": ["modules.deckhouse.io/module-registered"],
                    }),
                ),
                json!({
                    "spec": {"enabled": false, "maintenance": "NoResourceReconciliation"},
                    "status": {"version": "1", "message": "Ready"},
                }),
            ),
        },
        Case {
            name: "what the file says no more goes, and only that",
            first: config(
                json!({"labels": {"a": "1"}, "annotations": {"x": "1", "y": "1"}}),
                spec(
                    json!({"enabled": true, "version": 1, "settings": {"a": {"b": 1, "c": 2}, "d": [1, 2]}}),
                ),
            ),
            touch: |value| {
                value["metadata"]["labels"]["b"] = json!("theirs");
                value["spec"]["settings"]["a"]["theirs"] = json!(true);
            },
            then: config(
                json!({"annotations": {"x": "1"}}),
                spec(json!({"enabled": null, "version": 1, "settings": {"a": {"b": 1}, "d": [2]}})),
            ),
            becomes: config(
                at(
                    3,
                    3,
                    json!({"labels": {"b": "theirs"}, "annotations": {"x": "1"}}),
                ),
                spec(json!({"version": 1, "settings": {"a": {"b": 1, "theirs": true}, "d": [2]}})),
            ),
        },
        Case {
            name: "status counts when the object first appears, and never again",
            first: config(json!({}), json!({"spec": {}, "status": {"message": "first"}})),
            touch: untouched,
            then: config(
                json!({"labels": {"a": "1"}}),
                json!({"spec": {}, "status": {"message": "second", "version": "2"}}),
            ),
            becomes: config(
                at(2, 1, json!({"labels": {"a": "1"}})),
                json!({"spec": {}, "status": {"message": "first"}}),
            ),
        },
        Case {
            name: "what the server writes is not taken from a file, and a file that says the same is no change",
            first: config(
                json!({
                    "uid": "mine", "generation": 9, "resourceVersion": "77", "namespace": "default",
                    "managedFields": [{"manager": "kubectl"}], "deletionTimestamp": "2020-01-01T00:00:00Z",
                    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
                }),
                spec(json!({"enabled": true, "unknown": 1})),
            ),
            touch: untouched,
            then: config(
                json!({"resourceVersion": "78"}),
                spec(json!({"enabled": true, "other": 1})),
            ),
            becomes: config(at(1, 1, json!({})), spec(json!({"enabled": true}))),
        },
        Case {
            name: "defaults are filled in, and come back when the file takes its own value away",
            first: object(
                "ModuleUpdatePolicy",
                "v1alpha2",
                "slow",
                json!({}),
                spec(json!({"releaseChannel": "Beta", "update": {"mode": "Manual"}})),
            ),
            touch: untouched,
            then: object(
                "ModuleUpdatePolicy",
                "v1alpha2",
                "slow",
                json!({}),
                spec(json!({})),
            ),
            becomes: object(
                "ModuleUpdatePolicy",
                "v1alpha2",
                "slow",
                at(2, 2, json!({})),
                spec(json!({"releaseChannel": "Stable", "update": {"mode": "Auto"}})),
            ),
        },
        Case {
            name: "a v1alpha1 document is stored as v1alpha2 and merged as v1alpha1",
            first: object(
                "ModuleUpdatePolicy",
                "v1alpha1",
                "slow",
                json!({}),
                spec(json!({"moduleReleaseSelector": {"labelSelector": {"matchLabels": {"a": "b"}}}})),
            ),
            touch: |value| value["metadata"]["annotations"]["theirs"] = json!("1"),
            then: object(
                "ModuleUpdatePolicy",
                "v1alpha1",
                "slow",
                json!({}),
                spec(json!({
                    "releaseChannel": "Beta",
                    "moduleReleaseSelector": {"labelSelector": {"matchLabels": {"a": "c"}}},
                })),
            ),
            becomes: object(
                "ModuleUpdatePolicy",
                "v1alpha2",
                "slow",
                at(
                    3,
                    2,
                    json!({"annotations": {
                        "theirs": "1",
                        "modules.deckhouse.io/v1alpha1-fields":
                            r#"{"moduleReleaseSelector":{"labelSelector":{"matchLabels":{"a":"c"}}}}"#,
                    }}),
                ),
                spec(json!({"releaseChannel": "Beta", "update": {"mode": "AutoPatch"}})),
            ),
        },
        Case {
            name: "a file that moves on to v1alpha2 says no more what only v1alpha1 could",
            first: object(
                "ModulePullOverride",
                "v1alpha1",
                "echo",
                json!({}),
                spec(json!({"imageTag": "main", "source": "example"})),
            ),
            touch: untouched,
            then: object(
                "ModulePullOverride",
                "v1alpha2",
                "echo",
                json!({}),
                spec(json!({"imageTag": "main"})),
            ),
            becomes: object(
                "ModulePullOverride",
                "v1alpha2",
                "echo",
                at(3, 1, json!({})),
                spec(json!({"imageTag": "main", "scanInterval": "15s", "rollback": false})),
            ),
        },
    ]
}

#[test]
fn files_are_applied_three_ways() {
    for case in cases() {
        let kind = Kind::from_name(case.becomes["kind"].as_str().unwrap()).unwrap();
        let name = case.becomes["metadata"]["name"].as_str().unwrap();
        let mut scene = Scene::new(&[("a.json", &case.first.to_string())]);
        if case.first["spec"]["source"].is_string() {
            scene.write("source.yaml", SOURCE);
        }
        assert_eq!(scene.step(), none(), "{}", case.name);
        scene.touch(kind, name, case.touch);
        scene.write("a.json", &case.then.to_string());
        assert_eq!(scene.step(), none(), "{}", case.name);

        let mut value = scene.object(kind, name);
        let metadata = value["metadata"].as_object_mut().unwrap();
        assert_eq!(
            metadata.remove("creationTimestamp"),
            Some(json!("2026-01-02T03:04:05Z"))
        );
        assert!(metadata.remove("uid").is_some_and(|uid| uid != "mine"));
        assert_eq!(value, case.becomes, "{}", case.name);
    }
}
