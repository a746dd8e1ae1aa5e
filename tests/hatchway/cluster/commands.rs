//! Commands whose world is a cluster's, found as kubectl finds it.

use std::io::Write;
use std::process::Stdio;

use serde_json::json;

use super::watches::{apply, install_crds};
use crate::support::command;
use crate::support::control_plane::ControlPlane;
use crate::support::port::Port;

struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run(kubeconfig: &std::path::Path, arguments: &[&str], stdin: &str) -> Ran {
    let mut child = command()
        .args(arguments)
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What is refused at once need not read to the end: the pipe may be closed.
    let _written = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let output = child.wait_with_output().unwrap();
    Ran {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

const CONFIG: &str = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: global}, spec: {updatePolicy: slow}}";

#[test]
fn without_state_the_world_is_the_cluster() {
    let plane = ControlPlane::start();
    let kubeconfig = plane.kubeconfig();
    let ran = run(&kubeconfig, &["check", "-"], CONFIG);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
    for words in [
        plane.url().as_str(),
        "the CRD module",
        "--state DIR",
        "--kubeconfig FILE",
    ] {
        assert!(ran.stderr.contains(words), "{words}\n{}", ran.stderr);
    }

    install_crds(&plane);
    let refused = run(&kubeconfig, &["check", "-"], CONFIG);
    assert_eq!(refused.code, 1, "{}", refused.stderr);
    assert!(
        refused.stdout.contains("the 'slow' module policy does not exist"),
        "{}",
        refused.stdout
    );
    apply(
        &plane,
        "{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: slow}, spec: {}}",
    );
    let fine = run(&kubeconfig, &["check", "-"], CONFIG);
    assert_eq!(fine.code, 0, "{}{}", fine.stdout, fine.stderr);

    let review = json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "operation": "CREATE", "name": "global",
            "kind": {"group": "deckhouse.io", "version": "v1alpha1", "kind": "ModuleConfig"},
            "object": {
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
                "metadata": {"name": "global"}, "spec": {"updatePolicy": "slow"},
            },
        },
    });
    let named = ["review", "validate", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let answered = run(std::path::Path::new("/dev/null"), &named, &review.to_string());
    assert!(
        answered.stdout.contains(r#""allowed":true"#),
        "{}{}",
        answered.stdout,
        answered.stderr
    );

    // The source's registry is where the cluster says; nobody listens there.
    let port = Port::reserve();
    let repo = format!("{}/modules", port.address());
    let source = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource", "metadata": {"name": "main"},
        "spec": {"registry": {"repo": repo, "scheme": "HTTP"}},
    });
    apply(&plane, &source.to_string());
    let asked = run(&kubeconfig, &["registry", "tags", "echo", "--source", "main"], "");
    assert!(
        asked.code == 2 && asked.stderr.contains(&port.address().to_string()),
        "{}",
        asked.stderr
    );
    let unknown = run(&kubeconfig, &["registry", "modules", "--source", "mian"], "");
    assert_eq!(unknown.code, 2);
    assert!(
        unknown.stderr.contains("did you mean \"main\"?"),
        "{}",
        unknown.stderr
    );

    plane.stop_api_server();
    let dead = run(&kubeconfig, &["check", "-"], CONFIG);
    assert_eq!(dead.code, 2);
    for words in [plane.url().as_str(), "does not answer", "--state DIR"] {
        assert!(dead.stderr.contains(words), "{words}\n{}", dead.stderr);
    }
}
