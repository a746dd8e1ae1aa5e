//! Certificates in a cluster (rules SV-1 and SV-2): one authority for all replicas, known to every caller.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::control_plane::ControlPlane;
use crate::support::{Hatchway, command, eventually};

mod entrance;

use entrance::Entrance;

/// A control plane with Hatchway's manifests; API servers call `url`.
fn installed(url: &str) -> ControlPlane {
    let plane = ControlPlane::start();
    let made = plane.kubectl(&["create", "namespace", "d8-system"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    apply(&plane, &manifests(url), &[]);
    plane
}

fn manifests(url: &str) -> String {
    let printed = ["crds", "webhooks"].map(|what| {
        let output = command()
            .args(["manifests", what, "--webhook-url", url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    printed.join("---\n")
}

fn apply(plane: &ControlPlane, manifests: &str, flags: &[&str]) -> String {
    let applied = plane.kubectl_with(&[&["apply", "-f", "-"], flags].concat(), manifests);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    applied.stdout
}

fn get(plane: &ControlPlane, what: &[&str]) -> Value {
    let answer = plane.kubectl(&[&["get", "-o", "json"], what].concat());
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{what:?}: {}", answer.stderr))
}

const SECRET: &[&str] = &["secret", "-n", "d8-system", "hatchway-ca"];
const VALIDATING: &[&str] = &["validatingwebhookconfiguration", "hatchway"];

/// A key of the Secret, as text.
fn secret(plane: &ControlPlane, key: &str) -> Option<String> {
    let secret = plane.kubectl(&[&["get", "-o", "json", "--ignore-not-found"], SECRET].concat());
    let secret: Value = serde_json::from_str(&secret.stdout).ok()?;
    Some(String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).unwrap()).unwrap())
}

/// Every caBundle, as text.
fn bundles(plane: &ControlPlane) -> Vec<String> {
    let decoded = |config: &Value| {
        String::from_utf8(
            STANDARD
                .decode(config["caBundle"].as_str().unwrap_or_default())
                .unwrap(),
        )
        .unwrap()
    };
    let mut found = Vec::new();
    for what in [VALIDATING, &["mutatingwebhookconfiguration", "hatchway"]] {
        for webhook in get(plane, what)["webhooks"].as_array().unwrap() {
            found.push(decoded(&webhook["clientConfig"]));
        }
    }
    for plural in ["moduleupdatepolicies", "modulepulloverrides"] {
        let definition = get(plane, &["crd", &format!("{plural}.deckhouse.io")]);
        found.push(decoded(
            &definition["spec"]["conversion"]["webhook"]["clientConfig"],
        ));
    }
    found
}

fn serve(plane: &ControlPlane, entrance: &Entrance) -> Hatchway {
    let server = Hatchway::start_behind(&entrance.url(), &plane.kubeconfig(), &[]);
    entrance.lead_to(server.https);
    server
}

/// Waits until readiness is content with the caBundles.
async fn trusted(server: &Hatchway) {
    eventually("the caBundles", async || {
        let (_, body) = server.get("/readyz").await;
        let report: Value = serde_json::from_str(&body).unwrap();
        let lines = report["conditions"].as_array().unwrap();
        lines
            .iter()
            .any(|line| line["name"] == "ca bundles" && line["ready"] == true)
            .then_some(())
    })
    .await;
}

#[tokio::test]
async fn two_replicas_make_one_authority_and_fill_every_bundle() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let (one, other) = (serve(&plane, &entrance), serve(&plane, &entrance));
    trusted(&one).await;
    trusted(&other).await;
    let authority = secret(&plane, "ca.crt").unwrap();
    for bundle in bundles(&plane) {
        assert_eq!(bundle, authority);
    }
    for server in [&one, &other] {
        assert_eq!(std::fs::read_to_string(&server.ca).unwrap(), authority);
        server.assert_lives().await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
}
