//! Limits that shed instead of queueing, and clients that take their time (rule SV-4).

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::http::{Version, head, read_answer, read_to_close, send, stays_pending};
use crate::support::{Hatchway, eventually};

#[tokio::test]
async fn ends_headers_that_trickle_but_not_a_connection_that_rests() {
    let server = Hatchway::start(&["--header-timeout", "1s"]);
    let mut resting = server.connect().await.unwrap();
    let mut trickling = server.connect().await.unwrap();
    let start = Instant::now();
    let mut end = None;
    for byte in b"POST /validate HTTP/1.1\r\nhost: x\r\nx: "
        .iter()
        .chain(std::iter::repeat(&b'y'))
    {
        if trickling.write_all(&[*byte]).await.is_err()
            || !stays_pending(read_to_close(&mut trickling), Duration::from_millis(50)).await
        {
            end = Some(start.elapsed());
            break;
        }
    }
    let end = end.unwrap();
    assert!(
        end >= Duration::from_millis(900) && end < Duration::from_secs(5),
        "{end:?}"
    );
    server
        .metric_reaches("hatchway_connection_timeouts_total{reason=\"header\"}", 1.0)
        .await;

    resting
        .write_all(format!("{}{{}}", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    assert_eq!(read_answer(&mut resting).await.unwrap().status, 400);
}

#[tokio::test]
async fn ends_connections_that_are_idle_for_too_long() {
    let server = Hatchway::start(&["--idle-timeout", "500ms"]);
    let mut fresh = server.connect().await.unwrap();
    let mut used = server.connect().await.unwrap();
    used.write_all(format!("{}{{}}", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    assert_eq!(read_answer(&mut used).await.unwrap().status, 400);
    assert!(read_to_close(&mut fresh).await.is_empty());
    assert!(read_to_close(&mut used).await.is_empty());
    server
        .metric_reaches("hatchway_connection_timeouts_total{reason=\"idle\"}", 2.0)
        .await;
}

#[tokio::test]
async fn ends_a_handshake_that_never_ends() {
    let server = Hatchway::start(&["--handshake-timeout", "500ms"]);
    let mut silent = TcpStream::connect(server.https).await.unwrap();
    let mut started = TcpStream::connect(server.https).await.unwrap();
    // The beginning of a ClientHello.
    started.write_all(&[0x16, 3, 1, 2, 0, 1, 0]).await.unwrap();
    assert!(read_to_close(&mut silent).await.is_empty());
    read_to_close(&mut started).await;
    server
        .metric_reaches("hatchway_handshake_failures_total{reason=\"timeout\"}", 2.0)
        .await;
    // No TLS at all.
    let mut plain = TcpStream::connect(server.https).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    read_to_close(&mut plain).await;
    server
        .metric_reaches("hatchway_handshake_failures_total{reason=\"protocol\"}", 1.0)
        .await;
    server.assert_lives().await;
}

#[tokio::test]
async fn a_thousand_idle_connections_disturb_nobody() {
    let server = Hatchway::start(&[]);
    let mut idle = Vec::new();
    for _ in 0..1000 {
        idle.push(server.connect().await.unwrap());
    }
    server.metric_reaches("hatchway_connections", 1000.0).await;
    let client = server.client(Version::H1);
    for _ in 0..100 {
        assert_eq!(
            send(&client, server.post("/validate", "{}"))
                .await
                .unwrap()
                .status,
            400
        );
    }
    drop(idle);
    eventually("the connections to end", async || {
        (server.metric("hatchway_connections").await <= 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn closes_a_connection_too_many_at_once() {
    let server = Hatchway::start(&["--max-connections", "2"]);
    let mut held = vec![server.connect().await.unwrap(), server.connect().await.unwrap()];
    assert!(server.connect().await.is_err());
    server
        .metric_reaches("hatchway_shed_total{reason=\"connections\"}", 1.0)
        .await;
    // The readiness probe is shed, too: a replica that takes nobody is not ready.
    assert_eq!(server.get("/readyz").await.0, 503);
    held.pop();
    eventually("room for another", async || server.connect().await.ok()).await;
}

#[tokio::test]
async fn sheds_a_body_that_finds_no_room_and_takes_it_a_moment_later() {
    let server = Hatchway::start(&["--body-budget", "100Ki"]);
    let mut slow = server.connect().await.unwrap();
    slow.write_all(format!("{}{{", head("/validate", 60_000)).as_bytes())
        .await
        .unwrap();
    server
        .metric_reaches("hatchway_body_bytes_in_flight", 60_000.0)
        .await;

    for version in [Version::H1, Version::H2] {
        let client = server.client(version);
        let answer = send(&client, server.post("/validate", vec![b' '; 60_000]))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (429, "1"),
            "{}",
            answer.body
        );
        assert!(answer.error().contains("try again"));
        // A small one still finds its place.
        assert_eq!(
            send(&client, server.post("/validate", "{}"))
                .await
                .unwrap()
                .status,
            400
        );
    }
    server
        .metric_reaches("hatchway_shed_total{reason=\"bodies\"}", 2.0)
        .await;

    slow.write_all(&vec![b' '; 59_999]).await.unwrap();
    assert_eq!(read_answer(&mut slow).await.unwrap().status, 400);
    let answer = send(
        &server.client(Version::H1),
        server.post("/validate", vec![b' '; 60_000]),
    )
    .await
    .unwrap();
    assert_eq!(answer.status, 400);
    assert!(server.metric("hatchway_body_bytes_in_flight").await.abs() < f64::EPSILON);
}
