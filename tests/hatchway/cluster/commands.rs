//! Commands whose world is a cluster's, found as kubectl finds it.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use super::watches::{apply, install_crds};
use crate::support::command;
use crate::support::control_plane::ControlPlane;
use crate::support::fault_proxy::FaultProxy;
use crate::support::parts::asset;
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

/// Variables and what they are set to.
type Variables<'a> = &'a [(&'a str, &'a str)];

#[test]
fn an_api_server_behind_a_proxy_is_reached_when_kubectl_reaches_it() {
    // A name that nobody answers to but the proxy.
    const NAME: &str = "api.example.com";
    let plane = ControlPlane::shared();
    let address = plane.url().trim_start_matches("https://").to_owned();
    let proxy = FaultProxy::start(&address);
    let url = format!("http://user:s3cret@{}", proxy.host());
    let folder = tempfile::tempdir().unwrap();
    let direct = std::fs::read_to_string(plane.kubeconfig()).unwrap();
    let behind = direct.replace(
        &format!("server: 'https://{address}'"),
        &format!("server: 'https://{NAME}:6443', tls-server-name: 127.0.0.1"),
    );
    let named = behind.replace("server: ", &format!("proxy-url: '{url}', server: "));
    let host = proxy.host();
    let host = host.split(':').next().unwrap();
    // The kubeconfig, the variables, and whether the proxy is asked; without it a name like this one is not found.
    let cases: [(&str, Variables<'_>, bool); 9] = [
        (&named, &[], true),
        (&named, &[("NO_PROXY", NAME)], true),
        (&named, &[("HTTPS_PROXY", "http://127.0.0.1:9")], true),
        (&behind, &[("HTTPS_PROXY", &url)], true),
        (&behind, &[("HTTPS_PROXY", &url["http://".len()..])], true),
        (&behind, &[("https_proxy", &url), ("NO_PROXY", host)], true),
        (&behind, &[("HTTPS_PROXY", &url), ("NO_PROXY", NAME)], false),
        (&behind, &[("HTTPS_PROXY", &url), ("no_proxy", "*")], false),
        (&direct, &[("HTTPS_PROXY", &url)], false),
    ];
    for (number, (text, variables, asked)) in cases.into_iter().enumerate() {
        let file = folder.path().join(number.to_string());
        std::fs::write(&file, text).unwrap();
        let reached = asked || text == direct;
        for program in ["kubectl", "hatchway"] {
            proxy.obey(&[]);
            let mut ask = if program == "kubectl" {
                let mut kubectl = Command::new(asset("kubectl"));
                kubectl.args(["get", "crds", "--request-timeout=20s"]);
                kubectl
            } else {
                let mut check = command();
                check.args(["check", "-"]);
                check
            };
            for name in [
                "HTTPS_PROXY",
                "https_proxy",
                "NO_PROXY",
                "no_proxy",
                "ALL_PROXY",
                "all_proxy",
            ] {
                ask.env_remove(name);
            }
            let output = ask
                .env("KUBECONFIG", &file)
                .envs(variables.iter().copied())
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            let answered = if program == "kubectl" {
                output.status.success()
            } else {
                !said.contains("does not answer")
            };
            assert_eq!(answered, reached, "{program} in case {number}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
            let through = proxy.asked();
            assert_eq!(
                !through.is_empty(),
                asked,
                "{program} in case {number}: {through:?}"
            );
            for tunnel in through {
                assert_eq!(
                    (
                        tunnel.method.as_str(),
                        tunnel.target.as_str(),
                        tunnel.proxy_authorization.as_deref()
                    ),
                    // base64 of user:s3cret
                    (
                        "CONNECT",
                        format!("{NAME}:6443").as_str(),
                        Some("Basic dXNlcjpzM2NyZXQ=")
                    ),
                );
            }
        }
    }
}
