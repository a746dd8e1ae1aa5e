//! Overrides and policies in both versions through the API server (rule CV-1).

use serde_json::{Value, json};

use super::installation::{Installation, manifests};
use super::replica::until;
use crate::cases::case::whole;
use crate::support::control_plane::ControlPlane;

#[test]
fn both_versions_say_all_that_they_can_and_nothing_is_lost() {
    let installation = Installation::shared();
    let old = |kind: &str, name: &str, spec: Value| {
        whole(
            &json!({"kind": kind, "version": "v1alpha1", "name": name, "annotations": {"note": "mine"}, "spec": spec}),
        )
    };
    let selector = json!({"labelSelector": {"matchLabels": {"source": "both"}, "matchExpressions": [{"key": "module", "operator": "In", "values": ["a", "b"]}]}});
    let objects = [
        whole(
            &json!({"kind": "ModuleSource", "name": "both", "spec": {"registry": {"repo": "registry.example.com/both"}}}),
        ),
        old(
            "ModulePullOverride",
            "both",
            json!({"imageTag": "main", "source": "both", "scanInterval": "1m", "rollback": true}),
        ),
        old(
            "ModuleUpdatePolicy",
            "both",
            json!({"releaseChannel": "Alpha", "moduleReleaseSelector": selector, "update": {"mode": "Manual"}}),
        ),
    ];
    for object in &objects {
        let applied = installation.apply(&object.to_string());
        assert_eq!(applied.code, 0, "{}", applied.stderr);
    }
    for (kind, object, field) in [
        ("modulepulloverrides", &objects[1], "source"),
        ("moduleupdatepolicies", &objects[2], "moduleReleaseSelector"),
    ] {
        let version = |version: &str| installation.get(&[&format!("{kind}.{version}.deckhouse.io"), "both"]);
        let (v1, v2) = (version("v1alpha1"), version("v1alpha2"));
        assert_eq!(v1["spec"], object["spec"], "{kind}");
        assert_eq!(v1["metadata"]["annotations"]["note"], "mine");
        assert_eq!(
            v1["metadata"]["annotations"]["modules.deckhouse.io/v1alpha1-fields"],
            Value::Null
        );
        assert_eq!(v2["spec"][field], Value::Null, "{kind}");
        let carried = &v2["metadata"]["annotations"]["modules.deckhouse.io/v1alpha1-fields"];
        let carried: Value = serde_json::from_str(carried.as_str().unwrap()).unwrap();
        assert_eq!(carried[field], object["spec"][field]);

        // Through the new version and back: a change there loses nothing of the old one.
        let patch = r#"{"metadata":{"annotations":{"note":"yours"}}}"#;
        let patched = installation.kubectl(&[
            "patch",
            &format!("{kind}.v1alpha2.deckhouse.io"),
            "both",
            "--type=merge",
            "-p",
            patch,
        ]);
        assert_eq!(patched.code, 0, "{}", patched.stderr);
        let v1 = version("v1alpha1");
        assert_eq!(v1["spec"], object["spec"], "{kind}");
        assert_eq!(v1["metadata"]["annotations"]["note"], "yours");
        // What is stored is the new one; and the server said that the old one is on its way out.
        let applied = installation.apply(&object.to_string());
        assert!(
            applied.stderr.contains(&format!(
                "Warning: deckhouse.io/v1alpha1 {} is deprecated",
                object["kind"].as_str().unwrap()
            )),
            "{}",
            applied.stderr
        );
        let crd = installation.get(&["crd", &format!("{kind}.deckhouse.io")]);
        assert_eq!(crd["status"]["storedVersions"], json!(["v1alpha2"]));
    }
}

#[test]
fn what_was_stored_in_the_old_version_is_read_before_and_after() {
    // As it was before there was a webhook: v1alpha1 alone is stored.
    let plane = ControlPlane::start();
    let crds = manifests(&["crds"]);
    let mut former: Vec<Value> = serde_saphyr::from_multiple(&crds).unwrap();
    former.retain(|crd| crd["spec"]["versions"].as_array().unwrap().len() > 1);
    for crd in &mut former {
        crd["spec"].as_object_mut().unwrap().remove("conversion");
        for version in crd["spec"]["versions"].as_array_mut().unwrap() {
            version["storage"] = (version["name"] == "v1alpha1").into();
        }
        let applied = plane.kubectl_with(&["apply", "-f", "-"], &crd.to_string());
        assert_eq!(applied.code, 0, "{}", applied.stderr);
    }
    plane.established();
    let objects = [
        json!({"kind": "ModulePullOverride", "version": "v1alpha1", "name": "old", "spec": {"imageTag": "main", "source": "old"}}),
        json!({"kind": "ModuleUpdatePolicy", "version": "v1alpha1", "name": "old", "spec": {"releaseChannel": "Beta", "moduleReleaseSelector": {"labelSelector": {"matchLabels": {"a": "b"}}}}}),
    ];
    for object in &objects {
        let made = plane.kubectl_with(&["create", "-f", "-"], &whole(object).to_string());
        assert_eq!(made.code, 0, "{}", made.stderr);
    }

    // The upgrade, with nobody there who converts; the replicas then have to read what only they can convert.
    let mut installation = Installation::prepare(plane);
    for (kind, _) in KINDS {
        let read = installation.kubectl(&["get", &format!("{kind}.v1alpha1.deckhouse.io"), "old"]);
        assert_eq!(read.code, 0, "the version in which it is stored: {}", read.stderr);
    }
    for _ in 0..2 {
        installation.add_replica(&[]);
    }
    installation.until_ready();
    for (kind, field) in KINDS {
        let version = |version: &str| installation.get(&[&format!("{kind}.{version}.deckhouse.io"), "old"]);
        assert!(!version("v1alpha1")["spec"][field].is_null());
        let v2 = version("v1alpha2");
        assert!(v2["spec"][field].is_null());
        assert!(v2["metadata"]["annotations"]["modules.deckhouse.io/v1alpha1-fields"].is_string());
        // The leader stores everything anew and says so.
        until("storedVersions are trimmed", || {
            let crd = installation.get(&["crd", &format!("{kind}.deckhouse.io")]);
            (crd["status"]["storedVersions"] == json!(["v1alpha2"])).then_some(())
        });
        assert!(!version("v1alpha1")["spec"][field].is_null());
    }
}

/// What has two versions, and what only the old one says.
const KINDS: [(&str, &str); 2] = [
    ("modulepulloverrides", "source"),
    ("moduleupdatepolicies", "moduleReleaseSelector"),
];
