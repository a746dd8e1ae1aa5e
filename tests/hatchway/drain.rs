//! The end of a server: nobody in flight is lost (rule SV-4).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::http::{Version, head, read_answer, read_to_close, send};
use crate::support::{Hatchway, eventually};

#[tokio::test]
async fn drains_before_it_closes_and_serves_half_sent_bodies() {
    let mut server = Hatchway::start(&["--drain-delay", "2s"]);
    assert_eq!(server.get("/readyz").await.0, 200);
    let mut half = server.connect().await.unwrap();
    half.write_all(format!("{}{{", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    let mut idle = server.connect().await.unwrap();
    idle.write_all(format!("{}{{}}", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    let answer = read_answer(&mut idle).await.unwrap();
    assert_eq!(answer.header("connection"), "");
    let mut fresh = server.connect().await.unwrap();
    server.metric_reaches("hatchway_body_bytes_in_flight", 2.0).await;

    let start = Instant::now();
    server.terminate();
    let said = eventually("the server to be unready", async || {
        let (status, body) = server.get("/readyz").await;
        (status == 503).then_some(body)
    })
    .await;
    assert!(said.contains("shutting down"), "{said}");
    // New connections are still served, and told to go.
    let mut new = server.connect().await.unwrap();
    new.write_all(format!("{}{{}}", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    let answer = read_answer(&mut new).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (400, "close"));
    assert!(read_to_close(&mut new).await.is_empty());
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "the drain delay is over, the machine is too slow"
    );

    eventually("the port to close", async || {
        TcpStream::connect(server.https).await.err()
    })
    .await;
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert!(read_to_close(&mut idle).await.is_empty());
    assert!(read_to_close(&mut fresh).await.is_empty());
    assert_eq!(server.get("/livez").await.0, 200);
    half.write_all(b"}").await.unwrap();
    let answer = read_answer(&mut half).await.unwrap();
    assert_eq!((answer.status, answer.header("connection")), (400, "close"));
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loses_no_request_while_it_drains_under_load() {
    for version in [Version::H1, Version::H2] {
        let mut server = Hatchway::start(&["--drain-delay", "1s"]);
        let answered = Arc::new(AtomicUsize::new(0));
        let mut load = Vec::new();
        for _ in 0..8 {
            let (client, answered) = (server.client(version), Arc::clone(&answered));
            let (url, address) = (server.url("/validate"), server.https);
            load.push(tokio::spawn(async move {
                loop {
                    let request = http::Request::post(&url)
                        .header("content-type", "application/json")
                        .body(http_body_util::Full::new(bytes::Bytes::from_static(b"{}")))
                        .unwrap();
                    match send(&client, request).await {
                        Ok(answer) if answer.status == 400 => answered.fetch_add(1, Ordering::Relaxed),
                        // After the delay: somebody else is asked.
                        Ok(answer) if answer.status == 503 && answer.header("retry-after") == "1" => return,
                        // What is not answered must not have been taken: the port is closed.
                        other => {
                            assert!(
                                TcpStream::connect(address).await.is_err(),
                                "{version:?}: {other:?}"
                            );
                            let said = format!("{other:?}");
                            assert!(said.contains("Connect") || version == Version::H2, "{said}");
                            return;
                        }
                    };
                }
            }));
        }
        eventually("load", async || {
            (answered.load(Ordering::Relaxed) > 100).then_some(())
        })
        .await;
        server.terminate();
        for worker in load {
            worker.await.unwrap();
        }
        assert_eq!(server.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut server = Hatchway::start(&["--drain-delay", "30s"]);
    let mut half = server.connect().await.unwrap();
    half.write_all(format!("{}{{", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    let start = Instant::now();
    server.terminate();
    eventually("the first signal to arrive", async || {
        (server.get("/readyz").await.0 == 503).then_some(())
    })
    .await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(1));
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_client_that_never_finishes_cannot_hold_it_for_ever() {
    let mut server = Hatchway::start(&["--drain-delay", "0s", "--drain-timeout", "1s"]);
    let mut half = server.connect().await.unwrap();
    half.write_all(format!("{}{{", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    server.metric_reaches("hatchway_body_bytes_in_flight", 2.0).await;
    server.terminate();
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(server.log().contains("not finished in time"));
}
