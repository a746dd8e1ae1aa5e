//! Who writes (rule SV-5): two processes and one Lease in a real API server, and everything that happens to them.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::command;
use crate::support::control_plane::ControlPlane;
use crate::support::process::{Process, Signal};

const LEADS: &str = "this replica writes to the cluster from now on";
const LEADS_NO_MORE: &str = "this replica writes to the cluster no more";
/// Longer than any silence is waited out, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server in a cluster.
struct Replica {
    process: Process,
    _folder: TempDir,
}

impl Replica {
    fn start(kubeconfig: &Path, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut serve = command();
        serve
            .args([
                "serve",
                "--https-addr",
                "127.0.0.1:0",
                "--ops-addr",
                "127.0.0.1:0",
            ])
            .args(["--webhook-url", "https://127.0.0.1", "--namespace", "default"])
            .args(["--drain-delay", "1s", "--log-format", "json", "--kubeconfig"])
            .arg(kubeconfig)
            .env("POD_NAME", name)
            .current_dir(folder.path());
        let process = Process::start(&serve, &folder.path().join("log"), None);
        Self {
            process,
            _folder: folder,
        }
    }

    /// How often it said something.
    fn said(&self, what: &str) -> usize {
        self.process.log().matches(what).count()
    }

    /// Waits until it has said something so often.
    fn says(&self, what: &str, times: usize) {
        self.process
            .until(what, PATIENCE, || (self.said(what) >= times).then_some(()));
    }

    /// The terms that its log tells of: their beginnings and ends, as time stamps.
    fn terms(&self) -> Vec<(String, Option<String>)> {
        let mut terms: Vec<(String, Option<String>)> = Vec::new();
        for line in self.process.log().lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else {
                continue;
            };
            let at = || line["timestamp"].as_str().unwrap().to_owned();
            match line["message"].as_str() {
                Some(LEADS) => terms.push((at(), None)),
                Some(LEADS_NO_MORE) => terms.last_mut().unwrap().1 = Some(at()),
                _ => {}
            }
        }
        terms
    }

    /// A line of its metrics.
    fn metric(&self, name: &str) -> String {
        let log = self.process.log();
        let ports: Value = log
            .lines()
            .find_map(|line| {
                serde_json::from_str(line)
                    .ok()
                    .filter(|line: &Value| !line["ops"].is_null() && line["message"].is_null())
            })
            .unwrap();
        let url = format!("http://{}/metrics", ports["ops"].as_str().unwrap());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let address = url["http://".len()..]
            .trim_end_matches("/metrics")
            .parse()
            .unwrap();
        let answer = runtime
            .block_on(crate::support::http::plain_get(address, "/metrics"))
            .unwrap();
        let line = answer.body.lines().find(|line| line.starts_with(name));
        line.unwrap_or_default().to_owned()
    }
}

/// Two replicas of which the first leads, over a Lease that was given back, so that nobody has to wait.
fn pair(plane: &ControlPlane, kubeconfig: &Path) -> (Replica, Replica) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "hatchway", "namespace": "default", "labels": {"kept": "yes"}},
        "spec": {"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 7},
    });
    let made = plane.kubectl_with(&["create", "-f", "-"], &lease.to_string());
    assert_eq!(made.code, 0, "{}", made.stderr);
    let first = Replica::start(kubeconfig, "first");
    first.says(LEADS, 1);
    let second = Replica::start(kubeconfig, "second");
    second.says("the Lease is held", 1);
    (first, second)
}

fn lease(plane: &ControlPlane, path: &str) -> String {
    let path = format!("jsonpath={{{path}}}");
    plane
        .kubectl(&["get", "lease", "hatchway", "-n", "default", "-o", &path])
        .stdout
}

/// No term of one began before the other's was over; all are on one machine, with one clock.
fn one_at_a_time(replicas: &[&Replica]) {
    let mut terms: Vec<_> = replicas.iter().flat_map(|replica| replica.terms()).collect();
    terms.sort();
    for pair in terms.windows(2) {
        let end = pair[0]
            .1
            .as_ref()
            .unwrap_or_else(|| panic!("a term that did not end: {terms:?}"));
        assert!(*end <= pair[1].0, "{terms:?}");
    }
}

#[test]
fn a_replica_that_is_told_to_go_gives_the_lease_back_and_the_other_takes_over_at_once() {
    let plane = ControlPlane::start();
    let (first, second) = pair(&plane, &plane.kubeconfig());
    assert!(lease(&plane, ".spec.holderIdentity").starts_with("first_"));
    assert_eq!(lease(&plane, ".spec.leaseTransitions"), "8");
    assert_eq!(first.metric("hatchway_leader "), "hatchway_leader 1");
    assert_eq!(second.metric("hatchway_leader "), "hatchway_leader 0");

    let told = Instant::now();
    first.process.signal(Signal::TERM);
    second.says(LEADS, 1);
    let took = told.elapsed();
    // It was renewed at most 3 s before: nobody could have waited for its end.
    assert!(took < Duration::from_secs(12), "{took:?}");
    eprintln!("after SIGTERM: {took:?}");
    assert_eq!(first.process.wait(PATIENCE), 0);
    assert_eq!(lease(&plane, ".spec.leaseTransitions"), "9");
    assert_eq!(lease(&plane, ".metadata.labels.kept"), "yes");
    one_at_a_time(&[&first, &second]);
}

#[test]
fn a_replica_that_is_killed_is_followed_when_its_lease_has_run_out() {
    let plane = ControlPlane::start();
    let (first, second) = pair(&plane, &plane.kubeconfig());
    let killed = Instant::now();
    first.process.signal(Signal::KILL);
    second.says(LEADS, 1);
    let took = killed.elapsed();
    eprintln!("after kill -9: {took:?}");
    // It runs for 15 s, and was renewed at most 3 s before.
    assert!(took >= Duration::from_secs(11), "{took:?}");
}

#[test]
fn a_frozen_leader_has_lost_its_term_before_the_next_begins_and_knows_when_it_wakes() {
    let plane = ControlPlane::start();
    let (first, second) = pair(&plane, &plane.kubeconfig());
    first.process.signal(Signal::STOP);
    second.says(LEADS, 1);
    first.process.signal(Signal::CONT);
    first.says(LEADS_NO_MORE, 1);
    first.says("the Lease is held", 1);
    assert_eq!(first.said(LEADS), 1);
    assert_eq!(first.metric("hatchway_leader "), "hatchway_leader 0");
    assert!(lease(&plane, ".spec.holderIdentity").starts_with("second_"));
}

#[test]
fn a_lease_deleted_by_hand_comes_back_and_the_leader_leads_on() {
    let plane = ControlPlane::start();
    let (first, second) = pair(&plane, &plane.kubeconfig());
    let deleted = plane.kubectl(&["delete", "lease", "hatchway", "-n", "default"]);
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    let holder = first.process.until("the Lease is back", PATIENCE, || {
        Some(lease(&plane, ".spec.holderIdentity")).filter(|holder| !holder.is_empty())
    });
    let leader = if holder.starts_with("first_") {
        &first
    } else {
        &second
    };
    leader.says(LEADS, 1);
    one_at_a_time(&[&first, &second]);
}

#[test]
fn without_an_api_server_nobody_writes_and_with_it_one_does_again() {
    let plane = ControlPlane::start();
    let (first, second) = pair(&plane, &plane.kubeconfig());
    plane.stop_api_server();
    first.says(LEADS_NO_MORE, 1);
    assert_eq!(
        first.metric("hatchway_lease_transitions_total{reason=\"lost\"}"),
        "hatchway_lease_transitions_total{reason=\"lost\"} 1"
    );
    plane.start_api_server();
    first.process.until("one writes again", PATIENCE, || {
        (first.said(LEADS) + second.said(LEADS) == 2).then_some(())
    });
    one_at_a_time(&[&first, &second]);
}

#[test]
fn at_rest_the_api_server_sees_no_writes_but_the_lease() {
    let plane = ControlPlane::start();
    let (_first, _second) = pair(&plane, &plane.kubeconfig());
    let before = plane.audit().len();
    std::thread::sleep(Duration::from_secs(20));
    let requests = plane.audit();
    let writes: Vec<_> = requests[before..]
        .iter()
        .filter(|event| {
            event["userAgent"]
                .as_str()
                .is_none_or(|agent| !agent.starts_with("kube-apiserver"))
        })
        .filter(|event| !["get", "list", "watch"].contains(&event["verb"].as_str().unwrap()))
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect();
    assert!((6..=8).contains(&writes.len()), "{writes:?}");
    assert!(
        writes
            .iter()
            .all(|write| write.contains("/namespaces/default/leases/hatchway")),
        "{writes:?}"
    );
}
