//! Clients that people have: curl and openssl.

use std::process::{Command, Stdio};

use crate::support::{Hatchway, command};

#[tokio::test]
async fn curl_speaks_both_versions() {
    let server = Hatchway::start(&[]);
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let output = Command::new("curl")
            .args([
                "-sS",
                flag,
                "-H",
                "Content-Type: application/json",
                "--data-binary",
                "{}",
            ])
            .args(["-w", "%{http_code} %{http_version}", "--cacert"])
            .arg(&server.ca)
            .arg(format!(
                "https://localhost:{}/validate?timeout=10s",
                server.https.port()
            ))
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(
            said.ends_with(&format!("\n400 {version}")),
            "{said} {:?}",
            output.stderr
        );
    }
}

#[tokio::test]
async fn openssl_verifies_the_certificate_and_agrees_on_a_protocol() {
    let server = Hatchway::start(&[]);
    for (tls, alpn, agreed) in [
        ("-tls1_3", "h2,http/1.1", "ALPN protocol: h2"),
        ("-tls1_2", "http/1.1", "ALPN protocol: http/1.1"),
        ("-tls1_3", "spdy/1", "alert"),
    ] {
        let output = Command::new("openssl")
            .args([
                "s_client",
                "-brief",
                tls,
                "-alpn",
                alpn,
                "-verify_return_error",
                "-servername",
                "localhost",
            ])
            .args([
                "-connect",
                &format!("127.0.0.1:{}", server.https.port()),
                "-CAfile",
            ])
            .arg(&server.ca)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(
            said.contains(agreed) || (agreed != "alert" && said.contains("Verification: OK")),
            "{said}"
        );
        assert_eq!(output.status.success(), agreed != "alert", "{said}");
    }
    for old in ["-tls1_1", "-tls1"] {
        let output = Command::new("openssl")
            .args([
                "s_client",
                "-brief",
                old,
                "-connect",
                &format!("127.0.0.1:{}", server.https.port()),
            ])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success(), "{old}");
    }
}

#[tokio::test]
async fn the_ops_port_tells_how_it_is() {
    let server = Hatchway::start(&[]);
    assert_eq!(server.get("/livez").await.0, 200);
    let (status, ready) = server.get("/readyz").await;
    assert_eq!(status, 200, "{ready}");
    let ready: serde_json::Value = serde_json::from_str(&ready).unwrap();
    let names: Vec<&str> = ready["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"serving") && names.contains(&"tls"), "{names:?}");

    let answer = crate::support::http::plain_get(server.ops, "/metrics")
        .await
        .unwrap();
    assert_eq!(
        answer.header("content-type"),
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    );
    assert!(answer.body.ends_with("# EOF\n"));
    let expiry = server
        .metric("hatchway_certificate_expiry_timestamp_seconds{certificate=\"serving\"}")
        .await;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    assert!(expiry > now + 3600.0 && expiry < now + 25.0 * 3600.0);
    assert!(server.metric("process_resident_memory_bytes").await > 1e6);
    assert_eq!(server.get("/nothing").await.0, 404);
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let output = command()
        .args([
            "serve",
            "--https-addr",
            "127.0.0.1:0",
            "--ops-addr",
            &address,
            "--standalone",
            ".",
        ])
        .current_dir(dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(2), 0),
        "{said}"
    );
    assert!(said.contains(&address) && said.contains("--ops-addr"), "{said}");
    assert!(dir.path().join("certs/ca.crt").exists());
}
