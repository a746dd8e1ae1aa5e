//! A server whose world is a real API server's: what is there counts, also while the API server is away.

use serde_json::{Value, json};

use crate::support::control_plane::ControlPlane;
use crate::support::http::{Version, send};
use crate::support::{Hatchway, command, eventually};

/// Applies the CRDs and waits until they are served.
fn install_crds(plane: &ControlPlane) {
    let printed = command().args(["manifests", "crds"]).output().unwrap();
    apply(plane, &String::from_utf8(printed.stdout).unwrap());
    let wait = [
        "wait",
        "--for=condition=Established",
        "--timeout=30s",
        "crd",
        "--all",
    ];
    assert_eq!(plane.kubectl(&wait).code, 0);
}

fn apply(plane: &ControlPlane, objects: &str) {
    let applied = plane.kubectl_with(&["apply", "-f", "-"], objects);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
}

/// A review of a new config with that body.
fn review(spec: &Value) -> String {
    let object = json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "global"}, "spec": spec});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "object": object,
            "kind": {"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"},
        },
    });
    review.to_string()
}

/// Whether a config may name the policy.
async fn may_name_policy(server: &Hatchway, policy: &str) -> bool {
    let review = server.post("/validate", review(&json!({"updatePolicy": policy})));
    let answer = send(&server.client(Version::H1), review).await.unwrap();
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    answer["response"]["allowed"].as_bool().unwrap()
}

async fn until_ready(server: &Hatchway) {
    eventually("the server to be ready", async || {
        (server.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
}

fn policy(name: &str) -> String {
    json!({"apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy", "metadata": {"name": name}, "spec": {}}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_the_cluster_counts_and_what_goes_does_not() {
    let plane = ControlPlane::start();
    install_crds(&plane);
    apply(&plane, &policy("before"));
    let server = Hatchway::start_in_cluster(&plane.kubeconfig(), &[]);
    until_ready(&server).await;
    assert!(may_name_policy(&server, "before").await);
    assert!(!may_name_policy(&server, "after").await);

    apply(&plane, &policy("after"));
    assert!(may_name_policy(&server, "after").await);

    assert_eq!(plane.kubectl(&["delete", "mup", "before"]).code, 0);
    eventually("the policy to go", async || {
        (!may_name_policy(&server, "before").await).then_some(())
    })
    .await;
    assert_eq!(
        server
            .metric(r#"hatchway_world_objects{kind="ModuleUpdatePolicy"}"#)
            .await,
        1.0
    );
    assert_eq!(
        server
            .metric(r#"hatchway_watch_up{kind="ModuleUpdatePolicy"}"#)
            .await,
        1.0
    );
}
