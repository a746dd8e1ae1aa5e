//! A stream of requests, each with a verdict that is known beforehand: whatever else comes back is a failed admission.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::installation::{Installation, LONG};
use crate::support::control_plane::ControlPlane;
use crate::support::http::{HyperClient, Version, send};

/// Requests at once that are sent raw.
const WORKERS: usize = 6;
/// How long each of them waits between its requests: some hundred requests a second, of which most wait for Hatchway.
const PAUSE: Duration = Duration::from_millis(20);

/// A running load; it ends with the value.
pub(super) struct Load {
    shared: Arc<Shared>,
    kubectl: Vec<JoinHandle<()>>,
    _runtime: Runtime,
}

struct Shared {
    began: Instant,
    stop: AtomicBool,
    answered: AtomicUsize,
    heard: Mutex<Heard>,
}

#[derive(Default)]
struct Heard {
    /// How often each probe was answered as expected.
    answered: BTreeMap<&'static str, usize>,
    /// All other answers.
    failures: Vec<Failure>,
}

/// An answer that is not the expected one.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "read by those who read a failed test")]
pub(super) struct Failure {
    probe: &'static str,
    /// When it was asked and when it was answered, since the load began.
    pub(super) asked: Duration,
    pub(super) answered: Duration,
    said: String,
}

/// A request to the API server, and what has to come back.
struct Probe {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    body: Option<Value>,
    status: u16,
    says: &'static str,
}

impl Load {
    /// From now on requests flow: to the API server, over HTTP/1.1 and h2, and through kubectl.
    pub(super) fn start(installation: &Installation) -> Self {
        let stored = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: load}, spec: {registry: {repo: registry.example.com/load}}}\n---\n\
            {apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: load}, spec: {imageTag: main, source: load}}";
        let applied = installation.apply(stored);
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        let shared = Arc::new(Shared {
            began: Instant::now(),
            stop: AtomicBool::new(false),
            answered: AtomicUsize::new(0),
            heard: Mutex::default(),
        });
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let probes = Arc::new(probes());
        for worker in 0..WORKERS {
            let version = if worker % 2 == 0 { Version::H1 } else { Version::H2 };
            runtime.spawn(run(
                installation.api_client(version),
                installation.plane.url(),
                ControlPlane::token(),
                Arc::clone(&probes),
                worker,
                Arc::clone(&shared),
            ));
        }
        let load = Self {
            kubectl: vec![kubectl(installation, Arc::clone(&shared))],
            shared,
            _runtime: runtime,
        };
        load.more(50);
        load
    }

    /// Waits until so many more requests have been answered: what happened before has been under load.
    pub(super) fn more(&self, count: usize) {
        let (began, goal) = (
            Instant::now(),
            self.shared.answered.load(Ordering::Relaxed) + count,
        );
        while self.shared.answered.load(Ordering::Relaxed) < goal {
            assert!(
                began.elapsed() < LONG,
                "the load stands still: {:#?}",
                self.failures()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// What went wrong so far.
    pub(super) fn failures(&self) -> Vec<Failure> {
        self.shared.heard.lock().unwrap().failures.clone()
    }

    /// Since the load began.
    pub(super) fn now(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Nothing went wrong, and every sort of request was answered.
    pub(super) fn assert_all_well(&self, after: &str) {
        self.more(60);
        let failures = self.failures();
        assert!(
            failures.is_empty(),
            "{} failed admissions by {:?}, after: {after}\n{failures:#?}",
            failures.len(),
            self.now()
        );
    }

    /// Ends it, and tells how often each sort of request was answered well.
    pub(super) fn stop(mut self) -> BTreeMap<&'static str, usize> {
        self.end();
        self.shared.heard.lock().unwrap().answered.clone()
    }

    fn end(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        for thread in self.kubectl.drain(..) {
            let _panicked = thread.join();
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn note(&self, probe: &'static str, asked: Instant, outcome: Result<(), String>) {
        let mut heard = self.heard.lock().unwrap();
        match outcome {
            Ok(()) => *heard.answered.entry(probe).or_default() += 1,
            Err(said) => heard.failures.push(Failure {
                probe,
                asked: asked - self.began,
                answered: self.began.elapsed(),
                said,
            }),
        }
        drop(heard);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }
}

async fn run(
    client: HyperClient,
    url: String,
    token: &'static str,
    probes: Arc<Vec<Probe>>,
    first: usize,
    shared: Arc<Shared>,
) {
    for probe in probes.iter().cycle().skip(first) {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let mut request = http::Request::builder()
            .method(probe.method)
            .uri(format!("{url}{}", probe.path))
            .header("authorization", format!("Bearer {token}"));
        if probe.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = probe.body.as_ref().map(Value::to_string).unwrap_or_default();
        let asked = Instant::now();
        let answer = tokio::time::timeout(
            LONG,
            send(&client, request.body(Full::new(Bytes::from(body))).unwrap()),
        );
        let outcome = match answer.await {
            Ok(Ok(answer)) if answer.status == probe.status && answer.body.contains(probe.says) => Ok(()),
            Ok(Ok(answer)) => Err(format!("{} {}", answer.status, answer.body)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err("no answer".to_owned()),
        };
        shared.note(probe.name, asked, outcome);
        tokio::time::sleep(PAUSE).await;
    }
}

/// What is asked, again and again. Nothing of it stays.
fn probes() -> Vec<Probe> {
    let object = |version: &str, kind: &str, spec: Value| {
        Some(json!({
            "apiVersion": format!("deckhouse.io/{version}"), "kind": kind,
            "metadata": {"name": "probe"}, "spec": spec,
        }))
    };
    let create = |name, path, body, status, says| Probe {
        name,
        method: "POST",
        path,
        body,
        status,
        says,
    };
    vec![
        create(
            "a config that is fine",
            "/apis/deckhouse.io/v1alpha1/moduleconfigs?dryRun=All",
            object(
                "v1alpha1",
                "ModuleConfig",
                json!({"enabled": true, "source": "load"}),
            ),
            201,
            "\"source\":\"load\"",
        ),
        // Only the webhook knows this; no schema does.
        create(
            "a source that is refused",
            "/apis/deckhouse.io/v1alpha1/modulesources?dryRun=All",
            object(
                "v1alpha1",
                "ModuleSource",
                json!({"registry": {"repo": "registry.example.com/x", "dockerCfg": "eyJhdXRocyI6e319"}}),
            ),
            422,
            "credentials not found in the dockerCfg",
        ),
        // The schema would refuse `mon`: it passes only when the webhook has written `Mon`.
        create(
            "a policy that is mutated",
            "/apis/deckhouse.io/v1alpha2/moduleupdatepolicies?dryRun=All",
            object(
                "v1alpha2",
                "ModuleUpdatePolicy",
                json!({"update": {"windows": [{"from": "8:00", "to": "9:00", "days": ["mon"]}]}}),
            ),
            201,
            "\"Mon\"",
        ),
        // Stored as v1alpha2: asked for in the other version it is converted, and by nobody else.
        Probe {
            name: "an override that is converted",
            method: "GET",
            path: "/apis/deckhouse.io/v1alpha1/modulepulloverrides/load",
            body: None,
            status: 200,
            says: "\"source\":\"load\"",
        },
    ]
}

/// kubectl, one call after the other, in a thread of its own.
fn kubectl(installation: &Installation, shared: Arc<Shared>) -> JoinHandle<()> {
    let run = installation.plane.runner();
    std::thread::spawn(move || {
        let object = "{apiVersion: deckhouse.io/v1alpha2, kind: ModulePullOverride, metadata: {name: kubectl}, spec: {imageTag: main}}";
        while !shared.stop.load(Ordering::Relaxed) {
            let asked = Instant::now();
            let arguments = [
                "create",
                "--dry-run=server",
                "-o",
                "jsonpath={.spec.scanInterval}",
                "-f",
                "-",
            ];
            let answer = run.kubectl_with(&arguments, object);
            let well =
                answer.code == 0 && answer.stdout == "15s" && answer.stderr.contains("The module not found");
            shared.note(
                "kubectl",
                asked,
                if well { Ok(()) } else { Err(format!("{answer:?}")) },
            );
        }
    })
}
