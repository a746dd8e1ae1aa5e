//! Certificates from files and for callers (rules SV-2 and SV-3).

use std::fs;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::support::http::{Version, client, connect, head, read_answer, send};
use crate::support::pki::{Ca, Pair, mount, showing, trusting};
use crate::support::{Hatchway, command, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_swapped_certificate_loses_no_request() {
    let dir = tempfile::tempdir().unwrap();
    let (old, new) = (Ca::new(), Ca::new());
    mount(dir.path(), "..1", &old.pem, &old.sign());
    let both = dir.path().join("both.crt");
    fs::write(&both, format!("{}{}", old.pem, new.pem)).unwrap();
    let only_new = dir.path().join("new.crt");
    fs::write(&only_new, &new.pem).unwrap();
    let server = Hatchway::start_with_files(dir.path(), &[]);
    assert!(connect(server.https, trusting(&[&only_new])).await.is_err());

    let stop = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let mut load = Vec::new();
    for worker in 0..6 {
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        let (url, both) = (server.url("/validate"), both.clone());
        load.push(tokio::spawn(async move {
            let version = if worker % 2 == 0 { Version::H1 } else { Version::H2 };
            let mut kept = client(trusting(&[&both]), version);
            while !stop.load(Ordering::Relaxed) {
                let request = http::Request::post(&url)
                    .header("content-type", "application/json")
                    .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
                    .unwrap();
                assert_eq!(send(&kept, request).await.unwrap().status, 400);
                if answered.fetch_add(1, Ordering::Relaxed).is_multiple_of(5) && worker < 4 {
                    // Another handshake; the last two keep their connections all the time.
                    kept = client(trusting(&[&both]), version);
                }
            }
        }));
    }
    eventually("load", async || {
        (answered.load(Ordering::Relaxed) > 100).then_some(())
    })
    .await;
    mount(dir.path(), "..2", &new.pem, &new.sign());
    eventually("the new certificate", async || {
        connect(server.https, trusting(&[&only_new])).await.ok()
    })
    .await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let so_far = answered.load(Ordering::Relaxed);
    eventually("more load", async || {
        (answered.load(Ordering::Relaxed) > so_far + 100).then_some(())
    })
    .await;
    stop.store(true, Ordering::Relaxed);
    for worker in load {
        worker.await.unwrap();
    }
}

#[tokio::test]
async fn a_broken_pair_keeps_the_old_one_and_raises_a_metric() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let (one, two) = (ca.sign(), ca.sign());
    mount(dir.path(), "..1", &ca.pem, &one);
    let server = Hatchway::start_with_files(dir.path(), &[]);
    let failures = "hatchway_certificate_reload_failures_total{certificate=\"serving\"}";
    let broken = "hatchway_certificate_broken{certificate=\"serving\"}";

    mount(
        dir.path(),
        "..2",
        &ca.pem,
        &Pair {
            certificate: two.certificate.clone(),
            key: one.key.clone(),
        },
    );
    server.metric_reaches(broken, 1.0).await;
    server.assert_lives().await;
    assert_eq!(server.get("/readyz").await.0, 200);
    assert!((server.metric(failures).await - 1.0).abs() < f64::EPSILON);
    let told = server.log_says("cannot be used", 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!server.log().contains("PRIVATE"));

    mount(dir.path(), "..3", &ca.pem, &two);
    eventually("the good pair", async || {
        (server.metric(broken).await < 1.0).then_some(())
    })
    .await;
    server.assert_lives().await;
}

#[test]
fn a_pair_that_cannot_be_served_is_an_error_at_start() {
    let dir = tempfile::tempdir().unwrap();
    let ca = Ca::new();
    let serve = |flags: &[&str]| -> Output {
        let tls = dir.path().to_str().unwrap();
        let all = [
            "serve",
            "--https-addr",
            "127.0.0.1:0",
            "--ops-addr",
            "127.0.0.1:0",
            "--tls-dir",
            tls,
            "--standalone",
            tls,
        ];
        command().args(all).args(flags).output().unwrap()
    };
    let said = |output: &Output| String::from_utf8(output.stderr.clone()).unwrap();

    let output = serve(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(
        said(&output).contains("tls.crt") && said(&output).contains("No such file"),
        "{}",
        said(&output)
    );

    let wrong = Pair {
        certificate: ca.sign().certificate,
        key: ca.sign().key,
    };
    mount(dir.path(), "..1", &ca.pem, &wrong);
    let output = serve(&[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(
        said(&output).contains("tls.key does not fit"),
        "{}",
        said(&output)
    );

    mount(dir.path(), "..2", &ca.pem, &ca.sign());
    let output = serve(&["--client-ca", "nowhere.crt"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(said(&output).contains("nowhere.crt"), "{}", said(&output));
}

#[tokio::test]
async fn callers_must_show_a_certificate_of_the_client_ca() {
    let dir = tempfile::tempdir().unwrap();
    let (callers, strangers) = (Ca::new(), Ca::new());
    let file = dir.path().join("callers.crt");
    fs::write(&file, &callers.pem).unwrap();
    let server = Hatchway::start(&["--client-ca", file.to_str().unwrap()]);
    let asks = |config: rustls::ClientConfig| async {
        let mut stream = connect(server.https, config).await.ok()?;
        stream
            .write_all(format!("{}{{}}", head("/validate", 2)).as_bytes())
            .await
            .ok()?;
        read_answer(&mut stream).await.ok()
    };
    let (known, stranger) = (callers.sign(), strangers.sign());
    assert_eq!(asks(showing(&[&server.ca], &known)).await.unwrap().status, 400);
    assert!(asks(trusting(&[&server.ca])).await.is_none());
    server
        .metric_reaches(
            "hatchway_handshake_failures_total{reason=\"client-certificate-missing\"}",
            1.0,
        )
        .await;
    assert!(asks(showing(&[&server.ca], &stranger)).await.is_none());
    server
        .metric_reaches(
            "hatchway_handshake_failures_total{reason=\"client-certificate\"}",
            1.0,
        )
        .await;

    // The ops port asks for none, and the readiness probe is no failed caller.
    assert_eq!(server.get("/readyz").await.0, 200);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let missing = "hatchway_handshake_failures_total{reason=\"client-certificate-missing\"}";
    assert!((server.metric(missing).await - 1.0).abs() < f64::EPSILON);

    // Another CA from one moment to the next.
    fs::write(&file, &strangers.pem).unwrap();
    eventually("the other CA", async || {
        asks(showing(&[&server.ca], &stranger)).await
    })
    .await;
    assert!(asks(showing(&[&server.ca], &known)).await.is_none());
}
