//! A server whose world is a real API server's: what is there counts, also while the API server is away.

use serde_json::{Value, json};

use super::certificates::entrance::Entrance;
use crate::support::control_plane::ControlPlane;
use crate::support::http::{Version, send};
use crate::support::{Hatchway, command, eventually};

/// Applies the CRDs and waits until they are served.
pub(super) fn install_crds(plane: &ControlPlane) {
    let printed = command().args(["manifests", "crds"]).output().unwrap();
    apply(plane, &String::from_utf8(printed.stdout).unwrap());
    plane.established();
}

pub(super) fn apply(plane: &ControlPlane, objects: &str) {
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

pub(super) async fn until_ready(server: &Hatchway) {
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
    assert!(
        (server
            .metric(r#"hatchway_world_objects{kind="ModuleUpdatePolicy"}"#)
            .await
            - 1.0)
            .abs()
            < f64::EPSILON
    );
    assert!(
        (server
            .metric(r#"hatchway_watch_up{kind="ModuleUpdatePolicy"}"#)
            .await
            - 1.0)
            .abs()
            < f64::EPSILON
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_and_comes_back_is_served_from_memory_meanwhile() {
    let plane = ControlPlane::start();
    install_crds(&plane);
    apply(&plane, &policy("before"));
    let server = Hatchway::start_in_cluster(&plane.kubeconfig(), &[]);
    until_ready(&server).await;

    plane.stop_api_server();
    let up = r#"hatchway_watch_up{kind="ModuleUpdatePolicy"}"#;
    let (status, body) = eventually("the loss to be told", async || {
        let answer = server.get("/readyz").await;
        answer.1.contains("does not answer since").then_some(answer)
    })
    .await;
    assert_eq!(status, 200, "{body}");
    eventually("the metric to tell", async || {
        (server.metric(up).await == 0.0).then_some(())
    })
    .await;
    assert!(may_name_policy(&server, "before").await);
    assert!(!may_name_policy(&server, "meanwhile").await);
    server.log_says("the API server is away", 1).await;

    plane.start_api_server();
    apply(&plane, &policy("meanwhile"));
    eventually("what was made meanwhile", async || {
        may_name_policy(&server, "meanwhile").await.then_some(())
    })
    .await;
    server.metric_reaches(up, 1.0).await;
    let (_, body) = server.get("/readyz").await;
    assert!(!body.contains("does not answer since"), "{body}");
    server.log_says("the API server is back", 1).await;
}

/// A CRD as it might have been before its schema was tightened: it takes everything.
fn loose_crd(kind: &str, plural: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.deckhouse.io")},
        "spec": {
            "group": "deckhouse.io", "scope": "Cluster",
            "names": {"kind": kind, "plural": plural, "listKind": format!("{kind}List"), "singular": kind.to_lowercase()},
            "versions": [{
                "name": "v1alpha1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_malformed_object_is_reported_and_the_rest_go_on() {
    let plane = ControlPlane::start();
    apply(&plane, &loose_crd("ModuleSource", "modulesources"));
    plane.established();
    let source = |name: &str, status: Value| {
        json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource", "metadata": {"name": name},
            "spec": {"registry": {"repo": "registry.example.com/modules"}}, "status": status,
        })
        .to_string()
    };
    apply(&plane, &source("odd", json!({"modulesCount": "hunter2"})));
    apply(&plane, &source("well", json!({"modulesCount": 1})));
    install_crds(&plane);

    let server = Hatchway::start_in_cluster(&plane.kubeconfig(), &[]);
    until_ready(&server).await;
    let may = async |source: &str| {
        let review = server.post("/validate", review(&json!({"source": source})));
        let answer = send(&server.client(Version::H1), review).await.unwrap();
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        answer["response"]["allowed"].as_bool().unwrap()
    };
    assert!(may("well").await);
    assert!(may("odd").await, "it exists");
    assert!(!may("none").await);
    let unreadable = r#"hatchway_unreadable_objects{kind="ModuleSource"}"#;
    assert!((server.metric(unreadable).await - 1.0).abs() < f64::EPSILON);
    let told = server.log_says("cannot be read", 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains(r#""name":"odd""#), "{told:?}");
    assert!(told[0].contains("status does not have the shape"), "{told:?}");
    let log = server.log();
    assert!(!log.contains("hunter2"), "{log}");

    assert_eq!(plane.kubectl(&["delete", "ms", "odd"]).code, 0);
    eventually("the object to go", async || {
        (server.metric(unreadable).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_stored_as_v1alpha1_arrive_through_our_own_conversion() {
    let plane = ControlPlane::start();
    apply(&plane, &loose_crd("ModuleUpdatePolicy", "moduleupdatepolicies"));
    plane.established();
    let old = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleUpdatePolicy", "metadata": {"name": "old"},
        "spec": {"moduleReleaseSelector": {"labelSelector": {"matchLabels": {"module": "echo"}}}},
    });
    apply(&plane, &old.to_string());

    // Without CRDs it serves what needs no world, and says what is missing.
    let entrance = Entrance::open().await;
    let url = entrance.url();
    let server = Hatchway::start_behind(&url, &plane.kubeconfig(), &["--namespace", "default"]);
    entrance.lead_to(server.https);
    let missing = async |words: &str| {
        eventually(words, async || {
            let (status, body) = server.get("/readyz").await;
            (status == 503 && body.contains(words)).then_some(())
        })
        .await;
    };
    missing("the CRD moduleconfigs.deckhouse.io is not installed").await;

    let printed = command()
        .args(["manifests", "crds", "--webhook-url", &url])
        .output()
        .unwrap();
    apply(&plane, &String::from_utf8(printed.stdout).unwrap());
    // It writes its authority into the CRDs by itself; what it answers there does not wait for the world.
    until_ready(&server).await;
    assert!(may_name_policy(&server, "old").await);
    assert!(!may_name_policy(&server, "new").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forbidden_is_named() {
    let plane = ControlPlane::shared();
    assert_eq!(plane.kubectl(&["create", "serviceaccount", "nobody"]).code, 0);
    let token = plane.kubectl(&["create", "token", "nobody"]).stdout;
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": plane.url(), "certificate-authority": plane.ca_file()}}],
        "users": [{"name": "x", "user": {"token": token.trim()}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    });
    std::fs::write(&kubeconfig, text.to_string()).unwrap();
    let server = Hatchway::start_in_cluster(&kubeconfig, &[]);
    let (status, body) = eventually("the refusal to be told", async || {
        let answer = server.get("/readyz").await;
        let told = answer.1.contains("may not list modulesources.deckhouse.io");
        told.then_some(answer)
    })
    .await;
    assert_eq!(status, 503);
    assert!(body.contains("system:serviceaccount:default:nobody"), "{body}");
}
