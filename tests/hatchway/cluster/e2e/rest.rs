//! A cluster in which nothing happens, and one from which Hatchway goes.

use std::time::{Duration, Instant};

use super::installation::{Installation, NAMESPACE};
use crate::support::command;

/// How long nothing happens.
const AT_REST: Duration = Duration::from_mins(1);

#[test]
fn at_rest_nothing_is_written_but_the_lease() {
    let installation = Installation::start(2);
    let objects = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: rest}, spec: {registry: {repo: registry.example.com/rest}}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: rest}, spec: {imageTag: main, source: rest}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: rest}, spec: {}}";
    assert_eq!(installation.apply(objects).code, 0);
    // What a start still has to write (the first Lease, an Event) is written when nothing new came for a while.
    let settled = super::replica::until("the start is over", || {
        let before = writes(&installation).len();
        std::thread::sleep(Duration::from_secs(3));
        (writes(&installation).len() == before).then_some(before)
    });

    let began = Instant::now();
    let leases = lease_updates(&installation);
    std::thread::sleep(AT_REST);
    let after = writes(&installation);
    assert!(
        after.len() == settled,
        "within {:?}: {:#?}",
        began.elapsed(),
        &after[settled..]
    );
    let renewed = lease_updates(&installation) - leases;
    assert!(renewed > 0, "nobody holds the Lease");
    // 15 s is the Lease's life; a leader that renews it more than every second is no good neighbour.
    assert!(
        u64::try_from(renewed).unwrap() <= AT_REST.as_secs(),
        "the Lease was written {renewed} times"
    );
}

/// What our account has written, the Lease's updates aside.
fn writes(installation: &Installation) -> Vec<String> {
    let writing = |verb: &str| !matches!(verb, "get" | "list" | "watch");
    installation
        .own_requests()
        .iter()
        .filter(|event| writing(event["verb"].as_str().unwrap()))
        .filter(|event| !(event["verb"] == "update" && event["objectRef"]["resource"] == "leases"))
        .map(|event| format!("{} {}", event["verb"], event["requestURI"]))
        .collect()
}

fn lease_updates(installation: &Installation) -> usize {
    installation
        .own_requests()
        .iter()
        .filter(|event| event["verb"] == "update" && event["objectRef"]["resource"] == "leases")
        .count()
}

#[test]
fn an_uninstall_with_the_webhook_dead_leaves_nothing_that_blocks() {
    let mut installation = Installation::start(1);
    let objects = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: left}, spec: {registry: {repo: registry.example.com/left}}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: left}, spec: {imageTag: main, source: left}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha1, kind: ModuleUpdatePolicy, metadata: {name: left}, spec: {moduleReleaseSelector: {labelSelector: {matchLabels: {a: b}}}}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: left}, spec: {enabled: true, source: left}}";
    assert_eq!(installation.apply(objects).code, 0);
    installation.kill(0);

    let uninstall = |flags: &[&str]| {
        let output = command()
            .arg("uninstall")
            .arg("--kubeconfig")
            .arg(installation.plane.kubeconfig())
            .args(flags)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    uninstall(&[]);
    for gone in [
        "validatingwebhookconfiguration",
        "mutatingwebhookconfiguration",
        "clusterrole",
        "clusterrolebinding",
    ] {
        let answer = installation.kubectl(&["get", gone, "hatchway"]);
        assert!(answer.stderr.contains("NotFound"), "{gone}: {answer:?}");
    }
    let left = installation.kubectl(&[
        "get",
        "secrets,leases,serviceaccounts,deployments,services",
        "-n",
        NAMESPACE,
        "-o",
        "name",
    ]);
    assert!(!left.stdout.contains("hatchway"), "{}", left.stdout);
    // Everything is still there, in both versions, and can be written and deleted.
    for kind in [
        "mpo",
        "modulepulloverrides.v1alpha1.deckhouse.io",
        "mup",
        "moduleupdatepolicies.v1alpha1.deckhouse.io",
        "mc",
        "ms",
    ] {
        let read = installation.kubectl(&["get", kind, "left"]);
        assert_eq!(read.code, 0, "{kind}: {}", read.stderr);
    }
    assert_eq!(
        installation
            .kubectl(&["annotate", "mpo", "left", "note=mine"])
            .code,
        0
    );
    for kind in ["mc", "mpo", "mup", "ms"] {
        let deleted = installation.kubectl(&["delete", kind, "left", "--timeout=20s"]);
        assert_eq!(deleted.code, 0, "{kind}: {}", deleted.stderr);
    }
    // Twice does no harm.
    uninstall(&[]);
    assert_eq!(installation.apply(objects).code, 0);
    uninstall(&["--crds"]);
    let crds = installation.kubectl(&["get", "crd", "-o", "name"]);
    assert!(!crds.stdout.contains("deckhouse.io"), "{}", crds.stdout);
}
