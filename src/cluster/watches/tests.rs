//! One kind's feed against an API server whose answers are written by hand.

use super::*;
use crate::telemetry::readiness::Readiness;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::pin::Pin;
use tokio::sync::mpsc;
use tower_test::mock::{Handle, SendResponse};

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A feed of policies, and the API server that it calls.
struct Scene {
    server: Pin<Box<Handle<Request<Body>, Answer>>>,
    world: Arc<Shared>,
    readiness: Readiness,
    health: Health,
    registry: Registry,
    _stop: tokio_util::sync::DropGuard,
}

/// The other end of a watch; closed when it is dropped.
struct Watch(mpsc::UnboundedSender<String>);

impl Scene {
    fn new() -> Self {
        let (service, server) = tower_test::mock::pair::<Request<Body>, Answer>();
        let client = Client::new(service, "default");
        let world = Arc::new(Shared::default());
        let readiness = Readiness::default();
        let mut registry = Registry::default();
        let following = Following::register(&mut registry);
        let synced = readiness.condition("stores synced", "");
        let health = Health::new(synced, readiness.note(), following.clone());
        let kind = Kind::ModuleUpdatePolicy;
        let mirror = Mirror::new(kind, Arc::clone(&world), following, Judging::default());
        let stop = CancellationToken::new();
        let feed = Feed::new(client, kind, mirror, health.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(feed.run()));
        Self {
            server: Box::pin(server),
            world,
            readiness,
            health,
            registry,
            _stop: stop.drop_guard(),
        }
    }

    /// The next call, which has to be for that query.
    async fn call(&mut self, query: &str) -> SendResponse<Answer> {
        let (request, answer) = self.server.as_mut().next_request().await.unwrap();
        let (uri, path) = (request.uri(), request.uri().path());
        assert_eq!(path, "/apis/deckhouse.io/v1alpha2/moduleupdatepolicies");
        assert!(uri.query().unwrap_or_default().contains(query), "{uri}");
        answer
    }

    /// Answers the next list, which has to be for that query, with objects at a version.
    async fn list(&mut self, query: &str, version: &str, next: &str, items: &[Value]) {
        let body = json!({
            "apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicyList",
            "metadata": {"resourceVersion": version, "continue": next}, "items": items,
        });
        self.call(query).await.send_response(answer(200, &body));
    }

    /// Opens the next watch, which has to begin at that version.
    async fn watch(&mut self, version: &str) -> Watch {
        let call = self.call(&format!("resourceVersion={version}")).await;
        let (send, receive) = mpsc::unbounded_channel::<String>();
        let lines = futures_util::stream::unfold(receive, async |mut receive| {
            let line = receive.recv().await?;
            Some((Ok(Frame::data(Bytes::from(line))), receive))
        });
        call.send_response(Response::new(BoxBody::new(StreamBody::new(lines))));
        Watch(send)
    }

    fn names(&self) -> Vec<String> {
        self.world.read().names(Kind::ModuleUpdatePolicy)
    }

    /// Waits until these are the names.
    async fn until(&self, names: &[&str]) {
        let mut changes = self.world.changes();
        while self.names() != names {
            changes.changed().await.unwrap();
        }
    }

    /// Waits until the watch that was opened has been taken note of.
    async fn until_up(&self) {
        while self.metric(r#"hatchway_watch_up{kind="ModuleUpdatePolicy"}"#) != "1" {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    }

    fn metric(&self, series: &str) -> String {
        let text = crate::telemetry::metrics::render(&self.registry).unwrap();
        let value = text.lines().find_map(|line| line.strip_prefix(series));
        value.unwrap_or_default().trim().to_owned()
    }
}

impl Watch {
    fn send(&self, sort: &str, object: &Value) {
        self.0
            .send(format!("{}\n", json!({"type": sort, "object": object})))
            .unwrap();
    }
}

fn answer(code: u16, body: &Value) -> Answer {
    Response::builder()
        .status(code)
        .body(BoxBody::new(Full::new(Bytes::from(body.to_string()))))
        .unwrap()
}

fn failure(code: u16, reason: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn policy(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy",
        "metadata": {"name": name, "resourceVersion": version}, "spec": {},
    })
}

#[tokio::test(start_paused = true)]
async fn a_list_takes_nothing_away_until_it_is_complete() {
    let mut scene = Scene::new();
    scene
        .list("limit=100", "10", "", &[policy("a", "1"), policy("b", "2")])
        .await;
    let watch = scene.watch("10").await;
    assert_eq!(scene.names(), ["a", "b"]);

    watch.send(
        "ERROR",
        &failure(410, "Expired", "too old resource version: 10 (20)"),
    );
    scene
        .list("limit=100", "20", "more", &[policy("b", "2"), policy("c", "15")])
        .await;
    let second = scene.call("continue=more").await;
    assert_eq!(scene.names(), ["a", "b", "c"], "a may still be in a later page");
    second.send_response(answer(
        200,
        &json!({"metadata": {"resourceVersion": "20"}, "items": []}),
    ));
    let _watch = scene.watch("20").await;
    assert_eq!(scene.names(), ["b", "c"]);
    assert_eq!(
        scene.metric(r#"hatchway_watch_restarts_total{kind="ModuleUpdatePolicy",reason="expired"}"#),
        "1"
    );
}

#[tokio::test(start_paused = true)]
async fn a_list_that_breaks_off_begins_anew_and_takes_nothing_away() {
    let mut scene = Scene::new();
    scene.list("limit=100", "10", "", &[policy("a", "1")]).await;
    scene
        .watch("10")
        .await
        .send("ERROR", &failure(410, "Expired", ""));
    scene.list("limit=100", "20", "more", &[policy("b", "12")]).await;
    let expired = failure(410, "Expired", "the provided continue parameter is too old");
    scene
        .call("continue=more")
        .await
        .send_response(answer(410, &expired));
    let again = scene.call("limit=100").await;
    assert_eq!(scene.names(), ["a", "b"]);
    let all = json!({"metadata": {"resourceVersion": "30"}, "items": [policy("b", "12"), policy("d", "25")]});
    again.send_response(answer(200, &all));
    let _watch = scene.watch("30").await;
    assert_eq!(scene.names(), ["b", "d"]);
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_is_being_prepared_is_asked_again_soon() {
    let mut scene = Scene::new();
    scene.list("limit=100", "10", "", &[policy("a", "1")]).await;
    let begun = tokio::time::Instant::now();
    for _ in 0..10 {
        let preparing = failure(429, "TooManyRequests", "storage is (re)initializing");
        scene
            .call("resourceVersion=10")
            .await
            .send_response(answer(429, &preparing));
    }
    let watch = scene.watch("10").await;
    assert!(
        begun.elapsed() < std::time::Duration::from_millis(1100),
        "{:?}",
        begun.elapsed()
    );
    watch.send("ADDED", &policy("b", "11"));
    scene.until(&["a", "b"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_from_where_it_was() {
    let mut scene = Scene::new();
    scene.list("limit=100", "10", "", &[policy("a", "1")]).await;
    let watch = scene.watch("10").await;
    watch.send("ADDED", &policy("b", "11"));
    watch.send("DELETED", &policy("a", "12"));
    scene.until(&["b"]).await;
    drop(watch);
    let watch = scene.watch("12").await;
    let bookmark = json!({"apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy", "metadata": {"resourceVersion": "17"}});
    watch.send("BOOKMARK", &bookmark);
    drop(watch);
    let watch = scene.watch("17").await;
    assert_eq!(scene.names(), ["b"]);

    // The other end vanishes without a word, which only the pulse finds out.
    scene.until_up().await;
    scene.health.presume_lost();
    let _watch_anew = scene.watch("17").await;
    drop(watch);
}

#[tokio::test(start_paused = true)]
async fn what_is_known_as_it_is_is_not_taken_in_again() {
    let mut scene = Scene::new();
    let mut broken = policy("broken", "2");
    broken["spec"] = json!("hunter2");
    let items = [policy("a", "1"), broken];
    scene.list("limit=100", "10", "", &items).await;
    let watch = scene.watch("10").await;
    let changes = scene.world.changes();
    watch.send("ERROR", &failure(410, "Expired", ""));
    scene.list("limit=100", "20", "", &items).await;
    let _watch = scene.watch("20").await;
    assert!(!changes.has_changed().unwrap());
}

#[tokio::test(start_paused = true)]
async fn an_object_that_cannot_be_read_is_reported_and_the_rest_go_on() {
    let mut scene = Scene::new();
    let mut broken = policy("broken", "2");
    broken["spec"] = json!({"update": {"windows": "hunter2"}});
    scene
        .list(
            "limit=100",
            "10",
            "",
            &[policy("a", "1"), broken.clone(), policy("c", "3")],
        )
        .await;
    let watch = scene.watch("10").await;
    {
        let world = scene.world.read();
        let unreadable: Vec<_> = world.unreadable().collect();
        let [(Kind::ModuleUpdatePolicy, "broken", why)] = unreadable[..] else {
            panic!("{unreadable:?}");
        };
        assert!(why.starts_with("spec does not have the shape"), "{why}");
        assert!(!why.contains("hunter2"), "{why}");
        assert!(world.has(Kind::ModuleUpdatePolicy, "c"));
    }
    assert_eq!(
        scene.metric(r#"hatchway_unreadable_objects{kind="ModuleUpdatePolicy"}"#),
        "1"
    );

    watch.send("MODIFIED", &policy("broken", "11"));
    let mut changes = scene.world.changes();
    while scene.world.read().unreadable().count() > 0 {
        changes.changed().await.unwrap();
    }
    watch.send("MODIFIED", &broken);
    changes.changed().await.unwrap();
    assert_eq!(scene.world.read().unreadable().count(), 1);
    watch.send("DELETED", &broken);
    scene.until(&["a", "c"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_missing_is_told_until_it_is_there() {
    let mut scene = Scene::new();
    scene
        .call("limit=100")
        .await
        .send_response(answer(404, &failure(404, "NotFound", "not found")));
    let call = scene.call("limit=100").await;
    let readiness = scene.readiness.clone();
    let missing = async || {
        let report = readiness.report().await;
        report.conditions[0].missing.clone().unwrap_or_default()
    };
    let told = missing().await;
    assert!(
        told.starts_with("the CRD moduleupdatepolicies.deckhouse.io is not installed"),
        "{told}"
    );
    let forbidden = failure(
        403,
        "Forbidden",
        r#"User "hatchway" cannot list resource "moduleupdatepolicies""#,
    );
    call.send_response(answer(403, &forbidden));
    let call = scene.call("limit=100").await;
    assert!(
        missing().await.contains(r#"User "hatchway" cannot list"#),
        "{}",
        missing().await
    );
    call.send_response(answer(
        200,
        &json!({"metadata": {"resourceVersion": "1"}, "items": []}),
    ));
    let _watch = scene.watch("1").await;
    assert!(!missing().await.contains("policies"), "{}", missing().await);
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_takes_nothing_from_what_is_known() {
    let mut scene = Scene::new();
    scene.list("limit=100", "10", "", &[policy("a", "1")]).await;
    let watch = scene.watch("10").await;
    drop(watch);
    scene
        .call("resourceVersion=10")
        .await
        .send_error(std::io::Error::other("gone"));
    let call = scene.call("resourceVersion=10").await;
    let notes = scene.readiness.report().await.notes;
    assert!(
        notes[0].starts_with("the API server does not answer since 20"),
        "{notes:?}"
    );
    assert_eq!(
        scene.metric(r#"hatchway_watch_up{kind="ModuleUpdatePolicy"}"#),
        "0"
    );
    assert_eq!(scene.names(), ["a"]);

    // A store that went back in time knows nothing of the version: everything is listed.
    let future = failure(504, "Timeout", "Too large resource version: 10, current: 5");
    call.send_response(answer(504, &future));
    scene.list("limit=100", "5", "", &[]).await;
    let _watch = scene.watch("5").await;
    assert!(scene.names().is_empty());
    scene.until_up().await;
    assert!(scene.readiness.report().await.notes.is_empty());
}
