//! A careful roll-out as people see it: kubectl, a real API server, and a webhook that only warns (rule SV-6).

use serde_json::{Value, json};

use super::watches::{apply, install_crds, until_ready};
use crate::support::control_plane::ControlPlane;
use crate::support::{Hatchway, command};

/// Sends the cluster's reviews to the server.
fn install_webhooks(plane: &ControlPlane, server: &Hatchway) {
    let url = format!("https://127.0.0.1:{}", server.https.port());
    let printed = command()
        .args(["manifests", "webhooks", "--webhook-url", &url])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    let made = plane.kubectl_with(&["create", "-f", "-", "--dry-run=client", "-o", "json"], &printed);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let ca = std::fs::read(&server.ca).unwrap();
    let bundle = base64(&ca);
    // Several objects come out one after the other.
    for object in serde_json::Deserializer::from_str(&made.stdout).into_iter::<Value>() {
        let mut object = object.unwrap();
        let webhooks = if object["kind"] == "List" {
            object["items"]
                .as_array_mut()
                .unwrap()
                .iter_mut()
                .flat_map(|item| item["webhooks"].as_array_mut().unwrap())
                .collect()
        } else {
            Vec::from_iter(object["webhooks"].as_array_mut().unwrap())
        };
        for webhook in webhooks {
            webhook["clientConfig"]["caBundle"] = json!(bundle);
        }
        apply(plane, &object.to_string());
    }
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

const CONFIG: &str = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: global}, spec: {source: gone, updatePolicy: gone}}";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_what_would_be_refused_and_goes_on() {
    let plane = ControlPlane::start();
    install_crds(&plane);
    let careful = Hatchway::start_in_cluster(&plane.kubeconfig(), &["--enforce", "warn"]);
    until_ready(&careful).await;
    install_webhooks(&plane, &careful);
    let said = plane.kubectl_with(&["apply", "-f", "-"], CONFIG);
    assert_eq!(said.code, 0, "{}", said.stderr);
    for words in [
        "Warning: would be refused: spec.source: the 'gone' module source does not exist",
        "Warning: would be refused: spec.updatePolicy: the 'gone' module policy does not exist",
    ] {
        assert!(said.stderr.contains(words), "{}", said.stderr);
    }
    let annotated = plane.audit().into_iter().find(|event| {
        event["annotations"]["moduleconfigs.hatchway.deckhouse.io/hatchway.would-refuse"] == "MC-2,MC-4"
    });
    assert!(annotated.is_some(), "no audit event names the rules");

    let strict = Hatchway::start_in_cluster(&plane.kubeconfig(), &["--warn-only", "MC-4"]);
    until_ready(&strict).await;
    install_webhooks(&plane, &strict);
    let again = CONFIG.replace("global", "deckhouse");
    let mut said = plane.kubectl_with(&["apply", "-f", "-"], &again);
    // The API server takes a moment to see that the webhook has moved.
    for _ in 0..100 {
        if said.code != 0 {
            break;
        }
        plane.kubectl(&["delete", "mc", "deckhouse"]);
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        said = plane.kubectl_with(&["apply", "-f", "-"], &again);
    }
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(
        said.stderr.contains("the 'gone' module source does not exist"),
        "{}",
        said.stderr
    );
    assert!(
        said.stderr
            .contains("Warning: would be refused: spec.updatePolicy"),
        "{}",
        said.stderr
    );
}
