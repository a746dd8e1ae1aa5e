//! A careful roll-out as people see it: kubectl, a real API server, and a webhook that only warns (rule SV-6).

use super::certificates::entrance::Entrance;
use super::certificates::{installed, trusted};
use super::watches::until_ready;
use crate::support::control_plane::ControlPlane;
use crate::support::{Hatchway, eventually};

/// A server to which the cluster's reviews go from now on, and to no other.
async fn serve(plane: &ControlPlane, entrance: &Entrance, flags: &[&str]) -> Hatchway {
    let server = Hatchway::start_behind(&entrance.url(), &plane.kubeconfig(), flags);
    entrance.lead_only_to(server.https);
    until_ready(&server).await;
    trusted(&server).await;
    server
}

const CONFIG: &str = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: global}, spec: {source: gone, updatePolicy: gone}}";

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_what_would_be_refused_and_goes_on() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let careful = serve(&plane, &entrance, &["--enforce", "warn"]).await;
    // The API server takes a moment to see the caBundle.
    let said = eventually("a review that is answered", async || {
        let said = plane.kubectl_with(&["apply", "-f", "-"], CONFIG);
        (said.code == 0).then_some(said)
    })
    .await;
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

    drop(careful);
    let strict = serve(&plane, &entrance, &["--warn-only", "MC-4"]).await;
    let again = CONFIG.replace("global", "deckhouse");
    let said = plane.kubectl_with(&["apply", "-f", "-"], &again);
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
    strict.log_says("\"rules\":\"MC-4\"", 1).await;
}
