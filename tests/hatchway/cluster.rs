//! Against a real control plane.

mod census;
mod certificates;
mod commands;
mod crds;
mod e2e;
mod enforcement;
mod installing;
mod lease;
mod leaving;
mod settings;
mod watches;

use crate::support::control_plane::ControlPlane;

#[test]
fn a_control_plane_answers_kubectl() {
    let plane = ControlPlane::shared();
    let ready = plane.kubectl(&["get", "--raw", "/readyz"]);
    assert_eq!((ready.code, ready.stdout.as_str()), (0, "ok"), "{}", ready.stderr);

    let version = plane.kubectl(&["version", "-o", "json"]);
    let version: serde_json::Value = serde_json::from_str(&version.stdout).unwrap();
    assert_eq!(
        version["serverVersion"]["gitVersion"],
        version["clientVersion"]["gitVersion"]
    );
}

#[test]
fn a_control_plane_keeps_its_objects_and_its_port_over_a_restart() {
    let plane = ControlPlane::start();
    let object = "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default}}";
    let made = plane.kubectl_with(&["apply", "-f", "-"], object);
    assert_eq!(
        (made.code, made.stdout.as_str()),
        (0, "configmap/kept created\n"),
        "{}",
        made.stderr
    );

    plane.stop_api_server();
    let gone = plane.kubectl(&["get", "configmap", "kept"]);
    assert_eq!(gone.code, 1);
    assert!(gone.stderr.contains("refused"), "{}", gone.stderr);

    plane.start_api_server();
    let again = plane.kubectl_with(&["apply", "-f", "-"], object);
    assert_eq!(
        (again.code, again.stdout.as_str()),
        (0, "configmap/kept unchanged\n"),
        "{}",
        again.stderr
    );
}

#[test]
fn the_audit_log_names_each_request_with_its_author() {
    let plane = ControlPlane::shared();
    let made = plane.kubectl(&["create", "serviceaccount", "audited"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    let token = plane.kubectl(&["create", "token", "audited"]);
    assert_eq!(token.code, 0, "{}", token.stderr);

    // With the account's own token: known, and allowed nothing.
    let server = format!("--server={}", plane.url());
    let ca = format!("--certificate-authority={}", plane.ca_file().display());
    let token = format!("--token={}", token.stdout.trim());
    let own = ["--kubeconfig=/dev/null", &server, &ca, &token];
    let refused = plane.kubectl(&[&own[..], &["get", "secrets"]].concat());
    assert!(
        refused.stderr.contains("system:serviceaccount:default:audited"),
        "{}",
        refused.stderr
    );

    let requests = plane.audit();
    let refusal = requests
        .iter()
        .find(|event| {
            event["user"]["username"] == "system:serviceaccount:default:audited" && event["verb"] == "list"
        })
        .expect("the refused request");
    assert_eq!(refusal["responseStatus"]["code"], 403);
}
