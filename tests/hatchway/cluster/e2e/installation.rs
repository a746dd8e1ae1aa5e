//! Hatchway installed as people install it: manifests through kubectl, replicas that hold the ServiceAccount's token and
//! nothing else, and a balancer in the place of the Service.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use super::balancer::{Balancer, State};
use super::replica::Replica;
use crate::support::command;
use crate::support::control_plane::{Answer, ControlPlane};
use crate::support::http::{HyperClient, Version, client};
use crate::support::pki;
use crate::support::process::Signal;

/// Where Hatchway lives.
pub(super) const NAMESPACE: &str = "d8-system";
/// Who it is.
pub(super) const ACCOUNT: &str = "system:serviceaccount:d8-system:hatchway";
/// An administrator whom the replicas trust (rule AD-8), for objects that people may not write: Modules, releases.
pub(super) const TRUSTED: &str = "world-maker";

/// A control plane with Hatchway in it.
pub(super) struct Installation {
    // The order of the fields is the order of their end: replicas before what they talk to.
    pub(super) replicas: Vec<Replica>,
    pub(super) balancer: Balancer,
    pub(super) plane: ControlPlane,
    folder: TempDir,
    started: AtomicUsize,
    /// What replicas said that are gone.
    logs: Vec<String>,
    /// How much of the log and of the audit log is not looked at for refusals.
    forgiven: Mutex<(BTreeSet<String>, usize)>,
}

impl Installation {
    /// The one that tests share which only apply objects of their own. Its replicas log no refusal of the API server:
    /// that is looked at when a test is done with it.
    pub(super) fn shared() -> Borrowed {
        static SHARED: OnceLock<Installation> = OnceLock::new();
        Borrowed(SHARED.get_or_init(|| Self::with(ControlPlane::start_shared(), 2)))
    }

    /// One of a test's own, with so many replicas, all of them ready.
    pub(super) fn start(replicas: usize) -> Self {
        Self::with(ControlPlane::start(), replicas)
    }

    fn with(plane: ControlPlane, replicas: usize) -> Self {
        let mut installation = Self::prepare(plane);
        for _ in 0..replicas {
            installation.add_replica(&[]);
        }
        installation.until_ready();
        installation
    }

    /// All that kubectl applies, and nobody who serves yet.
    pub(super) fn prepare(plane: ControlPlane) -> Self {
        let balancer = Balancer::start();
        let url = format!("https://{}", balancer.address());
        let applied = plane.kubectl_with(&["apply", "-f", "-"], &manifests(&["all", "--webhook-url", &url]));
        assert_eq!(applied.code, 0, "{}", applied.stderr);
        let installation = Self {
            replicas: Vec::new(),
            balancer,
            plane,
            folder: tempfile::tempdir().unwrap(),
            started: AtomicUsize::new(0),
            logs: Vec::new(),
            forgiven: Mutex::default(),
        };
        installation.plane.established();
        installation.write_kubeconfig();
        installation
    }

    /// Where the API server calls.
    pub(super) fn url(&self) -> String {
        format!("https://{}", self.balancer.address())
    }

    /// A kubeconfig with the ServiceAccount's token, made as people make it.
    fn write_kubeconfig(&self) {
        let token = self
            .plane
            .kubectl(&["create", "token", "hatchway", "-n", NAMESPACE, "--duration=2h"]);
        assert_eq!(token.code, 0, "{}", token.stderr);
        let config = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": self.plane.url(), "certificate-authority": self.plane.ca_file(),
            }}],
            "users": [{"name": "hatchway", "user": {"token": token.stdout.trim()}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "hatchway"}}],
        });
        std::fs::write(self.kubeconfig(), config.to_string()).unwrap();
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// Starts one more replica, behind the balancer, and gives its place among [`Installation::replicas`].
    pub(super) fn add_replica(&mut self, flags: &[&str]) -> usize {
        let name = format!("hatchway-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let mut all: Vec<String> = [
            "--namespace",
            NAMESPACE,
            "--webhook-url",
            &self.url(),
            "--trusted-user",
            TRUSTED,
            // A kube-proxy hears of a change within a second or two; this balancer asks five times a second.
            "--drain-delay",
            "2s",
            "--kubeconfig",
        ]
        .map(str::to_owned)
        .into();
        all.push(self.kubeconfig().display().to_string());
        all.extend(flags.iter().map(|&flag| flag.to_owned()));
        let replica = Replica::start(&name, self.folder.path(), &all);
        self.balancer.add(&name, replica.https, replica.ops);
        self.replicas.push(replica);
        self.replicas.len() - 1
    }

    /// Waits until all replicas are ready, and the balancer knows.
    pub(super) fn until_ready(&self) {
        for replica in &self.replicas {
            replica.until_ready();
            self.balancer.until(&replica.name, State::Ready);
        }
    }

    /// The replica that has answered most.
    pub(super) fn busiest(&self) -> usize {
        let answered = |at: &usize| self.replicas[*at].answered();
        let most = (0..self.replicas.len()).max_by(|one, other| answered(one).total_cmp(&answered(other)));
        most.expect("a replica")
    }

    /// Ends a replica as a rolling update does: SIGTERM, and it leaves the balancer when it is gone.
    pub(super) fn terminate(&mut self, at: usize) {
        let replica = self.replicas.remove(at);
        replica.terminate();
        self.forget(replica);
    }

    /// Kills a replica, which the balancer has to find out by itself.
    pub(super) fn kill(&mut self, at: usize) {
        let replica = self.replicas.remove(at);
        replica.signal(Signal::KILL);
        replica.exit_code();
        self.balancer.until(&replica.name, State::Gone);
        self.forget(replica);
    }

    fn forget(&mut self, replica: Replica) {
        self.balancer.remove(&replica.name);
        self.logs.push(replica.log());
    }

    /// What all replicas said, those that are gone too.
    pub(super) fn logs(&self) -> String {
        let living = self.replicas.iter().map(Replica::log);
        self.logs
            .iter()
            .cloned()
            .chain(living)
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// Runs kubectl as an administrator who is nobody special to Hatchway.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.plane.kubectl(arguments)
    }

    /// `kubectl apply -f -`.
    pub(super) fn apply(&self, objects: &str) -> Answer {
        self.plane.kubectl_with(&["apply", "-f", "-"], objects)
    }

    /// Applies objects that Hatchway would write itself, and their status with them.
    pub(super) fn make_world(&self, objects: &[Value]) {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let trusted = ["--as", TRUSTED, "--as-group", "system:masters", "-f", "-"];
        let made = self
            .plane
            .kubectl_with(&[&["apply"][..], &trusted].concat(), &list.to_string());
        assert_eq!(made.code, 0, "{}", made.stderr);
        let with_status: Vec<_> = objects
            .iter()
            .filter(|object| object["status"].is_object())
            .collect();
        if with_status.is_empty() {
            return;
        }
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": with_status});
        let arguments = [
            "apply",
            "--server-side",
            "--subresource=status",
            "--field-manager=status",
        ];
        let made = self
            .plane
            .kubectl_with(&[&arguments[..], &trusted].concat(), &list.to_string());
        assert_eq!(made.code, 0, "{}", made.stderr);
    }

    /// What `kubectl get -o json` says.
    pub(super) fn get(&self, arguments: &[&str]) -> Value {
        let answer = self.kubectl(&[&["get", "-o", "json"][..], arguments].concat());
        serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", answer.stderr))
    }

    /// The caBundle by which the API server trusts the webhook, in PEM.
    pub(super) fn ca_bundle(&self) -> String {
        let configuration = self.get(&["validatingwebhookconfiguration", "hatchway"]);
        let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        let pem = STANDARD.decode(bundle.expect("a caBundle")).unwrap();
        String::from_utf8(pem).unwrap()
    }

    /// A client of the API server with the administrator's token in every request of [`Installation::request`].
    pub(super) fn api_client(&self, version: Version) -> HyperClient {
        client(pki::trusting(&[&self.plane.ca_file()]), version)
    }

    /// The requests of Hatchway's account, as the audit log has them.
    pub(super) fn own_requests(&self) -> Vec<Value> {
        let mut all = self.plane.audit();
        all.retain(|event| event["user"]["username"] == ACCOUNT);
        all
    }

    /// An API server that has just started answers before it has read the roles. What it forbade until now is not the
    /// roles' fault.
    pub(super) fn forgive_what_a_start_forbade(&self) {
        let logged = self.forbidden_lines().collect();
        *self.forgiven.lock().unwrap() = (logged, self.forbidden_requests().len());
    }

    /// Nothing was forbidden to the replicas: neither the API server nor they say so.
    pub(super) fn assert_nothing_was_forbidden(&self) {
        let (lines, requests) = &*self.forgiven.lock().unwrap();
        let said: Vec<String> = self
            .forbidden_lines()
            .filter(|line| !lines.contains(line))
            .collect();
        assert!(said.is_empty(), "in a replica's log: {said:#?}");
        let refused = self.forbidden_requests();
        assert!(
            refused.len() <= *requests,
            "in the audit log: {:#?}",
            &refused[*requests..]
        );
    }

    fn forbidden_lines(&self) -> impl Iterator<Item = String> {
        let lines: Vec<String> = self.logs().lines().map(str::to_owned).collect();
        lines
            .into_iter()
            .filter(|line| line.to_lowercase().contains("forbidden"))
    }

    fn forbidden_requests(&self) -> Vec<Value> {
        let mut all = self.own_requests();
        all.retain(|event| event["responseStatus"]["code"] == 403);
        all
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for replica in &self.replicas {
                let log = replica.log();
                let lines: Vec<_> = log.lines().collect();
                let tail = lines[lines.len().saturating_sub(60)..].join("\n");
                eprintln!("--- {} (ops {:?})\n{tail}", replica.name, replica.get("/readyz"));
            }
        } else {
            self.assert_nothing_was_forbidden();
        }
    }
}

/// The shared installation, in the hands of one test.
pub(super) struct Borrowed(&'static Installation);

impl std::ops::Deref for Borrowed {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        self.0
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.assert_nothing_was_forbidden();
        }
    }
}

/// What `hatchway manifests` prints.
pub(super) fn manifests(arguments: &[&str]) -> String {
    let printed = command().arg("manifests").args(arguments).output().unwrap();
    assert!(
        printed.status.success(),
        "{}",
        String::from_utf8_lossy(&printed.stderr)
    );
    String::from_utf8(printed.stdout).unwrap()
}

/// How long something may take that a load must live through.
pub(super) const LONG: Duration = Duration::from_mins(1);
