//! A careful roll-out over the wire: refusals that only warn (rule SV-6).

use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::http::{Version, send};
use crate::support::{Hatchway, command};

/// What the server says of a ModuleConfig that names a forbidden source and a policy that is not there.
async fn judged(server: &Hatchway) -> Value {
    let kind = json!({"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"});
    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": kind, "operation": "CREATE", "userInfo": {"username": "kubernetes-admin"},
            "object": {
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "global"},
                "spec": {"source": "Embedded", "updatePolicy": "nowhere"},
            },
        },
    });
    let answer = send(
        &server.client(Version::H1),
        server.post("/validate?timeout=5s", review.to_string()),
    )
    .await
    .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut answered: Value = serde_json::from_str(&answer.body).unwrap();
    answered["response"].take()
}

/// How many reviews the rule would have refused, as it is printed.
async fn would_refuse(server: &Hatchway, rule: &str) -> String {
    let series = format!("hatchway_would_refuse_total{{kind=\"ModuleConfig\",rule=\"{rule}\"}}");
    server.metric(&series).await.to_string()
}

#[tokio::test]
async fn refusals_become_warnings_that_are_counted_and_annotated() {
    let server = Hatchway::start(&["--enforce", "warn"]);
    let response = judged(&server).await;
    assert_eq!(response["allowed"], true, "{response}");
    let warnings = response["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 2, "{response}");
    assert!(
        warnings
            .iter()
            .all(|warning| warning.as_str().unwrap().starts_with("would be refused: spec."))
    );
    assert_eq!(
        response["auditAnnotations"],
        json!({"hatchway.decision": "allowed", "hatchway.rules": "MC-1,MC-4", "hatchway.would-refuse": "MC-1,MC-4"})
    );
    let counted = [
        would_refuse(&server, "MC-1").await,
        would_refuse(&server, "MC-4").await,
    ];
    assert_eq!(counted, ["1", "1"]);
    server.log_says("rules would refuse it", 1).await;
    server.assert_lives().await;
}

#[tokio::test]
async fn a_rule_that_only_warns_leaves_the_refusals_of_others() {
    let server = Hatchway::start(&["--warn-only", "mc-4,MS-2"]);
    let response = judged(&server).await;
    assert_eq!(response["allowed"], false, "{response}");
    let causes = response["status"]["details"]["causes"].as_array().unwrap();
    assert_eq!(causes.len(), 1, "{response}");
    assert_eq!(causes[0]["field"], "spec.source");
    assert_eq!(response["warnings"].as_array().unwrap().len(), 1, "{response}");
    assert_eq!(response["auditAnnotations"]["hatchway.would-refuse"], "MC-4");
    let counted = [
        would_refuse(&server, "MC-1").await,
        would_refuse(&server, "MC-4").await,
    ];
    assert_eq!(counted, ["0", "1"]);
}

#[tokio::test]
async fn files_come_in_as_reviews_do_but_for_what_an_api_server_refuses_by_itself() {
    const FILE: &str = r"
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: global}
spec: {updatePolicy: nowhere}
---
apiVersion: deckhouse.io/v1alpha2
kind: ModuleUpdatePolicy
metadata: {name: slow}
spec: {releaseChannel: Nightly}
";
    let server = Hatchway::start_on(&[("objects.yaml", FILE)], &["--enforce", "warn"]);
    assert_eq!(server.get("/state/moduleconfigs/global").await.0, 200);
    assert_eq!(server.get("/state/moduleupdatepolicies/slow").await.0, 404);
    server.log_says("would be refused: spec.updatePolicy", 1).await;
    server
        .log_says("ModuleUpdatePolicy/slow: spec.releaseChannel", 1)
        .await;
}

#[test]
fn an_unknown_rule_is_an_error_that_names_the_nearest() {
    for (flags, words) in [
        (["--warn-only", "MPO-22"], "did you mean \"MPO-2\"?"),
        (["--warn-only", "settings"], "docs/rules.md lists them"),
        (["--enforce", "never"], "[possible values: refuse, warn]"),
    ] {
        let output = command()
            .args(["serve", "--standalone", "."])
            .args(flags)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
