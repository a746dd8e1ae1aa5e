//! Registries behind a proxy, by the variables that people set.

use std::process::Command;

use super::super::hatchway;
use super::{Ran, module, publish, run};
use crate::support::authority::KeyFiles;
use crate::support::fault_proxy::FaultProxy;
use crate::support::registry::{BOTH, Registry, Settings};

/// A name that nobody answers to but the proxy.
const NAME: &str = "registry.example.com";

fn modules(arguments: &[&str], environment: &[(&str, &str)]) -> Ran {
    let mut command: Command = hatchway(".".as_ref(), &["registry", "modules", "--repo"]);
    command.args(arguments).envs(environment.iter().copied());
    run(command, b"")
}

#[test]
fn https_goes_through_a_tunnel_unless_it_is_excepted() {
    let dir = tempfile::tempdir().unwrap();
    let names = vec![NAME.to_owned(), "127.0.0.1".to_owned()];
    let files = KeyFiles::self_signed(dir.path(), &rcgen::CertificateParams::new(names).unwrap());
    let ca = files.certificate.to_str().unwrap();
    for flavour in BOTH {
        let server = Registry::start(&Settings {
            flavour: Some(flavour),
            certificate: Some(&files),
            ..Settings::default()
        });
        let module = module();
        let direct = format!("{}/modules", server.host());
        let dir = module.path().to_str().unwrap();
        super::says(&[
            "publish",
            dir,
            "--repo",
            &direct,
            "--version",
            "v1.0.0",
            "--ca",
            ca,
        ]);
        let proxy = FaultProxy::start(&server.host());
        let address = format!("http://user:s3cret@{}", proxy.host());
        let repo = format!("{NAME}/modules");
        for variable in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"] {
            proxy.obey(&[]);
            let ran = modules(&[&repo, "--ca", ca], &[(variable, &address)]);
            assert_eq!(
                (ran.code, ran.stdout.as_str()),
                (0, "echo\n"),
                "{variable}: {}",
                ran.stderr
            );
            let asked = proxy.asked();
            assert_eq!(
                (asked.len(), asked[0].method.as_str()),
                (1, "CONNECT"),
                "{flavour:?}"
            );
            assert_eq!(asked[0].target, format!("{NAME}:443"));
            // base64 of user:s3cret
            assert_eq!(
                asked[0].proxy_authorization.as_deref(),
                Some("Basic dXNlcjpzM2NyZXQ=")
            );
        }
        proxy.obey(&[]);
        for except in [NAME, "example.com", ".example.com", "*"] {
            let ran = modules(
                &[&repo, "--ca", ca],
                &[("HTTPS_PROXY", &address), ("NO_PROXY", except)],
            );
            let said = format!("error: GET https://{NAME}/v2/modules/tags/list?n=1000: ");
            assert!(
                ran.code == 2 && ran.stderr.starts_with(&said),
                "{except}: {}",
                ran.stderr
            );
            assert!(!ran.stderr.contains("s3cret"), "{}", ran.stderr);
        }
        // This machine is reached without one.
        let ran = modules(&[&direct, "--ca", ca], &[("HTTPS_PROXY", &address)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "echo\n"), "{}", ran.stderr);
        assert_eq!(proxy.asked().len(), 0, "{flavour:?}");
    }
}

#[test]
fn http_goes_through_a_forwarding_proxy() {
    for flavour in BOTH {
        let server = Registry::open(flavour);
        publish(module().path(), &format!("{}/modules", server.host()));
        let proxy = FaultProxy::start(&server.host());
        let address = format!("http://{}", proxy.host());
        let repo = format!("{NAME}:5000/modules");
        let ran = modules(&[&repo, "--scheme", "HTTP"], &[("HTTP_PROXY", &address)]);
        assert_eq!((ran.code, ran.stdout.as_str()), (0, "echo\n"), "{}", ran.stderr);
        let asked = proxy.asked();
        assert_eq!(asked.len(), 1, "{flavour:?}");
        assert_eq!(asked[0].target, "/v2/modules/tags/list?n=1000");
    }
}

#[test]
fn a_proxy_that_is_not_there_is_an_error_that_names_what_was_asked() {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("http://user:s3cret@127.0.0.1:{port}");
    let ran = modules(&[&format!("{NAME}/modules")], &[("HTTPS_PROXY", &address)]);
    let said = format!("error: GET https://{NAME}/v2/modules/tags/list?n=1000: ");
    assert!(ran.code == 2 && ran.stderr.starts_with(&said), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("onnection refused") && !ran.stderr.contains("s3cret"),
        "{}",
        ran.stderr
    );
}
