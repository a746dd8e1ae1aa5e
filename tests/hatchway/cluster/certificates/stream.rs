//! Reviews through an API server, and handshakes as it makes them, without a pause; none of them may fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::support::control_plane::ControlPlane;
use crate::support::http::connect;
use crate::support::pki::trusting;

/// Goes on until ended.
pub(super) struct Stream {
    stop: Arc<AtomicBool>,
    reviews: Arc<AtomicUsize>,
    handshakes: Arc<AtomicUsize>,
    tasks: Vec<JoinHandle<()>>,
}

impl Stream {
    /// Reviews through `plane`, handshakes with `replicas`.
    pub(super) async fn begin(plane: &ControlPlane, replicas: &[SocketAddr]) -> Self {
        let client = hatchway::cluster::connect(Some(&plane.kubeconfig()))
            .await
            .unwrap();
        let stream = Self {
            stop: Arc::default(),
            reviews: Arc::default(),
            handshakes: Arc::default(),
            tasks: Vec::new(),
        };
        let (stop, count) = (Arc::clone(&stream.stop), Arc::clone(&stream.reviews));
        let reviews = tokio::spawn(review(client.clone(), stop, count));
        let (stop, count) = (Arc::clone(&stream.stop), Arc::clone(&stream.handshakes));
        let handshakes = tokio::spawn(shake(client, replicas.to_vec(), stop, count));
        Self {
            tasks: vec![reviews, handshakes],
            ..stream
        }
    }

    /// Ends it; how many reviews and handshakes there were. Fails where one did.
    pub(super) async fn end(self) -> (usize, usize) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.unwrap();
        }
        (
            self.reviews.load(Ordering::Relaxed),
            self.handshakes.load(Ordering::Relaxed),
        )
    }
}

/// Creations that are not kept, in both versions: each is defaulted, validated, and one of them converted.
async fn review(client: kube::Client, stop: Arc<AtomicBool>, count: Arc<AtomicUsize>) {
    let dry = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    while !stop.load(Ordering::Relaxed) {
        for version in ["v1alpha1", "v1alpha2"] {
            let kind = GroupVersionKind::gvk("deckhouse.io", version, "ModuleUpdatePolicy");
            let resource = ApiResource::from_gvk_with_plural(&kind, "moduleupdatepolicies");
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            let policy = DynamicObject::new("streamed", &resource).data(json!({"spec": {}}));
            match api.create(&dry, &policy).await {
                Ok(_) => drop(count.fetch_add(1, Ordering::Relaxed)),
                // What a request gets that meets the very moment in which an API server puts a changed definition into
                // effect; with a Retry-After, so that kubectl tries again. No webhook was called.
                Err(kube::Error::Api(status)) if status.message == "apiserver is shutting down" => {}
                Err(error) => panic!("{error:?}"),
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Handshakes with what a webhook configuration says: an API server makes them only when something has changed.
async fn shake(
    client: kube::Client,
    replicas: Vec<SocketAddr>,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) {
    let kind = GroupVersionKind::gvk(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
    );
    let api: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk(&kind));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.crt");
    while !stop.load(Ordering::Relaxed) {
        let configuration = api.get("hatchway").await.unwrap();
        let bundle = &configuration.data["webhooks"][0]["clientConfig"]["caBundle"];
        let bundle = STANDARD.decode(bundle.as_str().unwrap()).unwrap();
        std::fs::write(&file, bundle).unwrap();
        for replica in &replicas {
            connect(*replica, trusting(&[&file])).await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
