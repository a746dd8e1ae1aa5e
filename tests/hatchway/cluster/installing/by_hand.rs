//! Uninstalling as docs/install.md says it for whoever has nothing but kubectl: its lines are run here, with no webhook
//! alive and objects stored in the old version.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{manifests, objects, taken};
use crate::support::control_plane::ControlPlane;
use crate::support::parts;

/// Nobody listens there.
const NOBODY: &str = "https://127.0.0.1:1";

const OLD: &str = "\
{apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: echo, finalizers: [modules.deckhouse.io/mpo-finalizer]}, spec: {imageTag: main, source: example}}
---
{apiVersion: deckhouse.io/v1alpha1, kind: ModuleUpdatePolicy, metadata: {name: old}, spec: {moduleReleaseSelector: {labelSelector: {matchLabels: {a: b}}}}}";

/// The shell lines below the heading, block by block.
fn blocks() -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/install.md");
    let text = std::fs::read_to_string(page).unwrap();
    let section = text.split("\n### By hand\n").nth(1).unwrap();
    let blocks = section.split("```bash\n").skip(1);
    blocks
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect()
}

/// Runs lines in a shell, as the administrator.
fn bash(plane: &ControlPlane, folder: &Path, lines: &str) {
    let kubectl = parts::asset("kubectl");
    let path = std::env::join_paths(
        [kubectl.parent().unwrap().to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let output = Command::new("bash")
        .args(["-euo", "pipefail", "-c", lines])
        .env("PATH", path.unwrap())
        .env("KUBECONFIG", plane.kubeconfig())
        .env("KUBECACHEDIR", folder.join("cache"))
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{lines}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An installation whose webhooks and conversions lead nowhere, with an override and a policy stored as v1alpha1.
fn install(plane: &ControlPlane) {
    for kind in ["modulepulloverrides", "moduleupdatepolicies"] {
        let mut before = objects(&manifests(&["crds", kind])).remove(0);
        before["spec"].as_object_mut().unwrap().remove("conversion");
        for version in before["spec"]["versions"].as_array_mut().unwrap() {
            version["storage"] = json!(version["name"] == "v1alpha1");
        }
        taken(&plane.kubectl_with(&["apply", "-f", "-"], &before.to_string()));
    }
    plane.established();
    let made = plane.kubectl_with(&["create", "-f", "-"], OLD);
    assert_eq!(made.code, 0, "{}", made.stderr);

    let parts: [&[&str]; 5] = [
        &["namespace"],
        &["crds", "--webhook-url", NOBODY],
        &["rbac"],
        &["deployment", "--image", "hatchway"],
        &["webhooks", "--webhook-url", NOBODY],
    ];
    let all: String = parts.into_iter().map(manifests).collect();
    taken(&plane.kubectl_with(&["apply", "-f", "-"], &all));
    plane.established();
}

#[test]
fn the_lines_for_hands_leave_nothing_behind_though_no_webhook_is_alive() {
    let plane = ControlPlane::start();
    let folder = tempfile::tempdir().unwrap();
    install(&plane);
    let list = ["get", "modulepulloverrides.v1alpha2.deckhouse.io", "-o", "json"];
    let dead = plane.kubectl(&list);
    assert!(dead.stderr.contains("conversion webhook for"), "{}", dead.stderr);

    let blocks = blocks();
    let (with_crds, blocks) = blocks.split_last().unwrap();
    for block in blocks {
        bash(&plane, folder.path(), block);
    }
    // People's objects are there and can be read, written and deleted.
    let kept = plane.kubectl(&list);
    let kept: Value = serde_json::from_str(&kept.stdout).unwrap();
    assert_eq!(kept["items"][0]["spec"]["imageTag"], "main");
    assert_eq!(kept["items"][0]["metadata"].get("finalizers"), None);
    let annotation = "modules.deckhouse.io/v1alpha1-fields";
    assert_eq!(
        kept["items"][0]["metadata"]["annotations"][annotation],
        r#"{"source":"example"}"#
    );
    let list = ["get", "moduleupdatepolicies.v1alpha2.deckhouse.io", "-o", "json"];
    let kept: Value = serde_json::from_str(&plane.kubectl(&list).stdout).unwrap();
    assert_eq!(
        kept["items"][0]["metadata"]["annotations"][annotation],
        r#"{"moduleReleaseSelector":{"labelSelector":{"matchLabels":{"a":"b"}}}}"#
    );
    let versions = [
        "get",
        "crd",
        "modulepulloverrides.deckhouse.io",
        "-o",
        "jsonpath={.status.storedVersions}",
    ];
    assert_eq!(plane.kubectl(&versions).stdout, r#"["v1alpha2"]"#);
    let written = ["annotate", "mpo", "echo", "a=b"];
    assert_eq!(plane.kubectl(&written).code, 0);

    bash(&plane, folder.path(), with_crds);
    let kinds = "crd,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,services,deployments,\
                 poddisruptionbudgets,validatingwebhookconfigurations,mutatingwebhookconfigurations";
    let left = plane.kubectl(&[
        "get",
        kinds,
        "-A",
        "-l",
        "app.kubernetes.io/part-of=hatchway",
        "-o",
        "name",
    ]);
    assert_eq!((left.code, left.stdout.as_str()), (0, ""), "{}", left.stderr);
}
