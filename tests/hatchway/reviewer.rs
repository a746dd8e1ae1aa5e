//! The server with reviewers that no sane program has: slow ones and ones that panic (rule AD-6). In this process, over
//! real sockets, since the binary's own reviewer is neither.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use clap::Parser;
use hatchway::certificates::probe::Caller;
use hatchway::certificates::{Authority, Leaves, Tls, install_provider};
use hatchway::telemetry::Metrics;
use hatchway::webhook::{Answer, Deadline, Drain, Limits, Path, Reviewer, Server, bind};
use http::StatusCode;
use http_body_util::Full;
use tokio::sync::Semaphore;

use crate::support::http::{HyperClient, Version, client, send};
use crate::support::{eventually, pki};

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    limits: Limits,
}

struct Running {
    metrics: Metrics,
    drain: Drain,
    url: String,
    ca: tempfile::NamedTempFile,
}

impl Running {
    async fn start(reviewer: impl Reviewer, flags: &[&str]) -> Self {
        install_provider();
        let now = SystemTime::now();
        let authority = Arc::new(Authority::generate(now, Duration::from_hours(1)).unwrap());
        let ca = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(ca.path(), authority.certificate_pem()).unwrap();
        let metrics = Metrics::default();
        let leaves = Leaves::new(authority, vec!["127.0.0.1".into()], now, metrics.clone()).unwrap();
        let tls = Arc::new(Tls::new(Arc::clone(leaves.resolver()), None).unwrap());
        let limits = Flags::parse_from([&["test"], flags].concat()).limits;
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let drain = Drain::default();
        let server = Server::new(
            reviewer,
            tls,
            limits,
            metrics.clone(),
            drain.clone(),
            Caller::default(),
        );
        tokio::spawn(server.run(listener));
        Self {
            metrics,
            drain,
            url,
            ca,
        }
    }

    fn client(&self, version: Version) -> HyperClient {
        client(pki::trusting(&[self.ca.path()]), version)
    }

    fn post(&self, path: &str, body: &'static str) -> http::Request<Full<Bytes>> {
        http::Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from_static(body.as_bytes())))
            .unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.drain.stop();
    }
}

fn fine(body: impl Into<Bytes>) -> Answer {
    Answer {
        status: StatusCode::OK,
        body: body.into(),
        kind: "Test",
        operation: "CREATE",
        verdict: "allowed",
    }
}

struct Moody;

impl Reviewer for Moody {
    async fn answer(&self, path: Path, body: Bytes, deadline: Deadline) -> Answer {
        assert!(path != Path::Mutate, "it holds {body:?}");
        fine(format!("{}\n", deadline.remaining().as_millis()))
    }
}

#[tokio::test]
async fn a_panic_costs_its_own_request_only() {
    let server = Running::start(Moody, &[]).await;
    for (count, version) in [(1, Version::H1), (2, Version::H2)] {
        let client = server.client(version);
        let answer = send(&client, server.post("/mutate", "a secret")).await.unwrap();
        assert_eq!(answer.status, 500);
        assert!(!answer.error().contains("secret"));
        assert_eq!(server.metrics.panics.get(), count);
        assert_eq!(
            send(&client, server.post("/validate", "{}"))
                .await
                .unwrap()
                .status,
            200
        );
        assert_eq!(server.metrics.reviews_in_flight.get(), 0);
        assert_eq!(server.metrics.body_bytes_in_flight.get(), 0);
    }
}

#[tokio::test]
async fn hands_the_reviewer_what_is_left_of_the_callers_patience() {
    let server = Running::start(Moody, &[]).await;
    let client = server.client(Version::H1);
    for (path, most, least) in [
        ("/validate?timeout=1m0s", 24_000, 20_000),
        ("/validate?timeout=2s", 1_600, 1),
        ("/validate", 8_000, 4_000),
    ] {
        let answer = send(&client, server.post(path, "{}")).await.unwrap();
        let left: u64 = answer.body.trim().parse().unwrap();
        assert!((least..=most).contains(&left), "{path}: {left}");
    }
}

/// Answers when it is allowed to.
struct Held(Arc<Semaphore>);

impl Reviewer for Held {
    async fn answer(&self, _: Path, _: Bytes, _: Deadline) -> Answer {
        self.0.acquire().await.unwrap().forget();
        fine("{}")
    }
}

#[tokio::test]
async fn sheds_the_review_too_many_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Running::start(Held(Arc::clone(&gate)), &["--max-reviews", "2"]).await;
    let client = server.client(Version::H1);
    let mut held = Vec::new();
    for _ in 0..2 {
        let (client, request) = (client.clone(), server.post("/validate", "{}"));
        held.push(tokio::spawn(async move {
            send(&client, request).await.unwrap().status
        }));
    }
    let in_flight = &server.metrics.reviews_in_flight;
    eventually("two reviews", async || (in_flight.get() == 2).then_some(())).await;
    let answer = send(&client, server.post("/validate", "{}")).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (429, "1"));
    assert!(answer.error().contains("try again"));

    // While draining another replica is the better address.
    server.drain.begin();
    let answer = send(&client, server.post("/validate", "{}")).await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "1"));
    assert_eq!(answer.header("connection"), "close");

    gate.add_permits(2);
    for review in held {
        assert_eq!(review.await.unwrap(), 200);
    }
    assert_eq!(in_flight.get(), 0);
}

#[tokio::test]
async fn a_caller_that_goes_away_gives_its_place_back() {
    let server = Running::start(Held(Arc::new(Semaphore::new(0))), &["--max-reviews", "1"]).await;
    for version in [Version::H1, Version::H2] {
        let (client, request) = (server.client(version), server.post("/validate", "{}"));
        let caller = tokio::spawn(async move { send(&client, request).await });
        let in_flight = &server.metrics.reviews_in_flight;
        eventually("the review", async || (in_flight.get() == 1).then_some(())).await;
        caller.abort();
        eventually("its end", async || (in_flight.get() == 0).then_some(())).await;
    }
}

#[tokio::test]
async fn reviews_in_flight_are_finished_after_the_port_is_closed() {
    let gate = Arc::new(Semaphore::new(0));
    let server = Running::start(Held(Arc::clone(&gate)), &[]).await;
    for version in [Version::H1, Version::H2] {
        let (client, request) = (server.client(version), server.post("/validate", "{}"));
        let caller = tokio::spawn(async move { send(&client, request).await.unwrap().status });
        eventually("the review", async || {
            (server.metrics.reviews_in_flight.get() == 1).then_some(())
        })
        .await;
        if version == Version::H2 {
            server.drain.stop();
        }
        gate.add_permits(1);
        assert_eq!(caller.await.unwrap(), 200);
    }
}
