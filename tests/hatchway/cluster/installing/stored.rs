//! What an API server makes of the manifests: nothing is pruned, nothing is filled in that nobody thought of.

use serde_json::{Value, json};

use super::{manifests, objects, shared, taken};
use crate::cli::golden::golden;
use crate::support::control_plane::ControlPlane;

/// The objects as they would be stored, without what differs from one API server to the next.
fn dry_run(plane: &ControlPlane, text: &str) -> Vec<Value> {
    let flags = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
    let answer = plane.kubectl_with(&flags, text);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let stored = serde_json::Deserializer::from_str(&answer.stdout).into_iter();
    let mut stored: Vec<Value> = stored.map(Result::unwrap).collect();
    for object in &mut stored {
        let metadata = object["metadata"].as_object_mut().unwrap();
        for volatile in ["creationTimestamp", "generation", "managedFields", "uid"] {
            metadata.remove(volatile);
        }
        if let Some(spec) = object["spec"].as_object_mut() {
            spec.retain(|name, _| !name.starts_with("clusterIP"));
        }
        object.as_object_mut().unwrap().remove("status");
    }
    stored
}

#[test]
fn an_api_server_stores_what_is_printed() {
    let text = manifests(&["deployment", "--image", "registry.example.com/hatchway:0.1.0"])
        + &manifests(&["webhooks"]);
    let stored = dry_run(shared(), &text);
    let mut whole = String::new();
    for (stored, printed) in stored.iter().zip(objects(&text)) {
        assert_contains(stored, &printed, "");
        whole += "---\n";
        whole += serde_saphyr::to_string(stored).unwrap().trim_end();
        whole += "\n";
    }
    golden("tests/golden/manifests/stored.yaml", &whole);
}

/// That everything of `part` is in `whole`, lists with the same length.
fn assert_contains(whole: &Value, part: &Value, path: &str) {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            for (name, part) in part {
                let whole = whole.get(name).unwrap_or(&Value::Null);
                assert_contains(whole, part, &format!("{path}.{name}"));
            }
        }
        (Value::Array(whole), Value::Array(part)) => {
            assert_eq!(whole.len(), part.len(), "{path}");
            for (whole, part) in whole.iter().zip(part) {
                assert_contains(whole, part, &format!("{path}[]"));
            }
        }
        _ => assert_eq!(whole, part, "{path}"),
    }
}

#[test]
fn the_pods_bear_the_strictest_standard_and_outlive_a_drain() {
    let plane = shared();
    let deployment = manifests(&["deployment", "--image", "registry.example.com/hatchway:0.1.0"]);
    let stored = dry_run(plane, &deployment);
    let deployment = stored
        .iter()
        .find(|object| object["kind"] == "Deployment")
        .unwrap();
    let spec = &deployment["spec"]["template"]["spec"];
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(spec["terminationGracePeriodSeconds"], 40);
    assert_eq!(spec["enableServiceLinks"], false);
    assert_eq!(spec["serviceAccountName"], "hatchway");
    let container = &spec["containers"][0];
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);

    let namespace = "\
{apiVersion: v1, kind: Namespace, metadata: {name: installing-restricted, labels: {pod-security.kubernetes.io/enforce: restricted}}}";
    taken(&plane.kubectl_with(&["apply", "-f", "-"], namespace));
    let create = |spec: &Value| {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "hatchway", "namespace": "installing-restricted"},
            "spec": spec,
        });
        let flags = ["create", "--dry-run=server", "-o", "json", "-f", "-"];
        plane.kubectl_with(&flags, &pod.to_string())
    };
    let taken = create(spec);
    assert_eq!((taken.code, taken.stderr.as_str()), (0, ""));
    let pod: Value = serde_json::from_str(&taken.stdout).unwrap();
    // The priority class is one that every cluster has.
    assert_eq!(pod["spec"]["priority"], 2_000_000_000);

    let mut looser = spec.clone();
    looser["securityContext"] = json!({});
    let refused = create(&looser);
    assert!(
        refused.stderr.contains("violates PodSecurity \"restricted:"),
        "{}",
        refused.stderr
    );
}
