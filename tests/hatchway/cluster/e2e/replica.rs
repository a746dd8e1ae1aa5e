//! A replica as a Pod runs it, but for the container: the built program, with the token of its ServiceAccount alone.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::support::http::{Version, client, plain_get, send};
use crate::support::process::{Process, Signal};
use crate::support::{command, pki};

/// How long a start, or an end, may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// A running replica; killed with the value.
pub(super) struct Replica {
    pub(super) name: String,
    pub(super) https: SocketAddr,
    pub(super) ops: SocketAddr,
    process: Process,
}

impl Replica {
    /// Starts `hatchway serve` with these flags in a folder of its own and waits until its ports listen.
    pub(super) fn start(name: &str, folder: &Path, flags: &[String]) -> Self {
        let own = folder.join(name);
        std::fs::create_dir(&own).unwrap();
        let mut command = command();
        command
            .args([
                "serve",
                "--https-addr",
                "127.0.0.1:0",
                "--ops-addr",
                "127.0.0.1:0",
            ])
            .args(flags)
            .current_dir(&own)
            // As in a Pod: no home of a developer, no kubeconfig but the one that the flag names.
            .env("HOME", &own)
            .env("HOSTNAME", name)
            .env_remove("KUBECONFIG");
        let process = Process::start(&command, &own.join("log"), None);
        let (https, ops) = process.until("its ports listen", PATIENCE, || ports(&process.log()));
        Self {
            name: name.to_owned(),
            https,
            ops,
            process,
        }
    }

    /// All that it said, on both of its outputs.
    pub(super) fn log(&self) -> String {
        self.process.log()
    }

    pub(super) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits until it has ended.
    pub(super) fn exit_code(&self) -> i32 {
        self.process.wait(PATIENCE)
    }

    /// Sends SIGTERM and waits for a clean end.
    pub(super) fn terminate(&self) {
        self.signal(Signal::TERM);
        assert_eq!(self.exit_code(), 0, "{}", self.log());
    }

    /// A GET on the ops port: status and body, or nothing while it does not answer.
    pub(super) fn get(&self, path: &str) -> Option<(u16, String)> {
        let answer = runtime().block_on(async {
            tokio::time::timeout(Duration::from_secs(5), plain_get(self.ops, path)).await
        });
        answer.ok()?.ok().map(|answer| (answer.status, answer.body))
    }

    /// Asks it for a verdict past API server and balancer: may this ModuleConfig name this source, and this policy?
    pub(super) fn review(&self, bundle: &str, source: &str, name: &str) -> Verdict {
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.crt");
        std::fs::write(&ca, bundle).unwrap();
        let config = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
            "metadata": {"name": name}, "spec": {"source": source},
        });
        let review = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "request": {
                "uid": "1", "operation": "CREATE", "name": name, "object": config,
                "kind": {"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"},
                "resource": {"group": "deckhouse.io", "version": "v1alpha1", "resource": "moduleconfigs"},
                "userInfo": {"username": "admin"},
            },
        });
        let request = http::Request::post(format!("https://{}/validate", self.https))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(review.to_string())))
            .unwrap();
        let client = client(pki::trusting(&[&ca]), Version::H1);
        let answer = runtime().block_on(send(&client, request)).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        Verdict(serde_json::from_str(&answer.body).unwrap())
    }

    /// Waits until it is ready.
    pub(super) fn until_ready(&self) {
        self.until("it is ready", || {
            self.get("/readyz")
                .filter(|(status, _)| *status == 200)
                .map(|_| ())
        });
    }

    /// The sum of all series of a metric, written `name` or `name{label="value"`.
    pub(super) fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").map(|(_, body)| body).unwrap_or_default();
        text.lines()
            .filter(|line| line.starts_with(series))
            .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
            .sum()
    }

    /// How many reviews and conversions it has answered.
    pub(super) fn answered(&self) -> f64 {
        self.metric("hatchway_review_requests_total{")
    }

    /// Asks until there is an answer; the end of its log is told when there is none in time.
    pub(super) fn until<T>(&self, what: &str, question: impl FnMut() -> Option<T>) -> T {
        self.process.until(what, PATIENCE, question)
    }
}

/// The answer to a review.
#[derive(Debug)]
pub(super) struct Verdict(Value);

impl Verdict {
    pub(super) fn is_allowed(&self) -> bool {
        self.0["response"]["allowed"] == true
    }

    pub(super) fn message(&self) -> &str {
        self.0["response"]["status"]["message"]
            .as_str()
            .unwrap_or_default()
    }
}

/// Waits for an effect that is seen in the cluster.
pub(super) fn until<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn ports(log: &str) -> Option<(SocketAddr, SocketAddr)> {
    let said = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["https"].is_string() && line["ops"].is_string() && line["level"].is_null())?;
    let address = |name: &str| said[name].as_str()?.parse().ok();
    Some((address("https")?, address("ops")?))
}

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: std::sync::OnceLock<tokio::runtime::Runtime> = std::sync::OnceLock::new();
    RUNTIME.get_or_init(|| tokio::runtime::Runtime::new().unwrap())
}
