//! What is no review, over both versions of HTTP (rule AD-1).

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::io::AsyncWriteExt;

use crate::support::http::{Version, head, read_answer, read_to_close, send, within};
use crate::support::{Hatchway, eventually};

#[tokio::test]
async fn answers_what_is_no_review_with_one_line_that_says_the_way_out() {
    let server = Hatchway::start(&[]);
    for version in [Version::H1, Version::H2] {
        let client = server.client(version);
        let post = |path: &str, headers: &[(&str, &str)]| {
            let mut request = http::Request::post(server.url(path));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            request.body(Full::new(Bytes::from_static(b"{}"))).unwrap()
        };
        let json = ("content-type", "application/json");
        for path in ["/validate", "/mutate", "/convert", "/validate?timeout=10s"] {
            let answer = send(
                &client,
                post(path, &[("content-type", "application/json; charset=utf-8")]),
            )
            .await;
            let answer = answer.unwrap();
            assert_eq!(answer.status, 400, "{version:?} {path}: {}", answer.body);
            answer.error();
        }

        let answer = send(&client, post("/validat", &[json])).await.unwrap();
        assert_eq!(answer.status, 404);
        assert!(
            answer.error().contains("\"/validat\"") && answer.error().contains("/mutate"),
            "{}",
            answer.body
        );

        let get = http::Request::get(server.url("/mutate"))
            .body(Full::default())
            .unwrap();
        let answer = send(&client, get).await.unwrap();
        assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
        assert!(
            answer.error().contains("GET") && answer.error().contains("POST"),
            "{}",
            answer.body
        );

        for (headers, named) in [
            (vec![], "missing"),
            (vec![("content-type", "text/yaml")], "text/yaml"),
            (vec![json, ("content-encoding", "gzip")], "gzip"),
        ] {
            let answer = send(&client, post("/validate", &headers)).await.unwrap();
            assert_eq!(answer.status, 415, "{headers:?}");
            assert!(answer.error().contains(named), "{}", answer.body);
        }
        let plain = [json, ("content-encoding", "identity")];
        assert_eq!(
            send(&client, post("/validate", &plain)).await.unwrap().status,
            400
        );
    }
    let series = "hatchway_review_requests_total{path=\"other\",kind=\"none\",operation=\"none\",verdict=\"protocol-error\"}";
    assert!((server.metric(series).await - 2.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn refuses_a_body_that_is_too_long_whatever_its_length_claims() {
    let server = Hatchway::start(&["--max-body", "64Ki"]);
    for version in [Version::H1, Version::H2] {
        let client = server.client(version);
        for (length, status) in [(64 << 10, 400), ((64 << 10) + 1, 413), (8 << 20, 413)] {
            let answer = send(&client, server.post("/validate", vec![b' '; length]))
                .await
                .unwrap();
            assert_eq!(answer.status, status, "{version:?} {length}: {}", answer.body);
            assert!(
                status == 400 || answer.error().contains("65536"),
                "{}",
                answer.body
            );
        }
    }

    // Without a length: chunks that never seem to end.
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    let chunk = format!("4000\r\n{}\r\n", " ".repeat(0x4000));
    for _ in 0..5 {
        stream.write_all(chunk.as_bytes()).await.unwrap();
    }
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 413);

    // The same in h2.
    let frames =
        (0..5).map(|_| Ok::<_, std::io::Error>(hyper::body::Frame::data(Bytes::from(vec![b' '; 0x4000]))));
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(crate::support::pki::trusting(&[&server.ca]))
        .https_only()
        .enable_http2()
        .build();
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .http2_only(true)
        .build(connector);
    let request = http::Request::post(server.url("/validate"))
        .header("content-type", "application/json")
        .body(body)
        .unwrap();
    assert_eq!(within(client.request(request)).await.unwrap().status(), 413);
    server.assert_lives().await;
}

#[tokio::test]
async fn waits_for_a_promised_body_only_so_long() {
    let server = Hatchway::start(&["--body-timeout", "500ms"]);
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(format!("{}{{", head("/validate", 1000)).as_bytes())
        .await
        .unwrap();
    let answer = read_answer(&mut stream).await.unwrap();
    assert_eq!(answer.status, 408);
    assert!(answer.error().contains("500ms"), "{}", answer.body);
    assert!(read_to_close(&mut stream).await.is_empty());
}

#[tokio::test]
async fn survives_bodies_that_end_early_and_lengths_that_lie() {
    let server = Hatchway::start(&[]);
    // Cut off in the middle.
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(format!("{}{{", head("/validate", 1000)).as_bytes())
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    drop(stream);
    // More bytes than were promised: the rest is read as the next request, which it is not.
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(format!("{}{{}}rubbish\r\n\r\n", head("/validate", 2)).as_bytes())
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 400);
    read_to_close(&mut stream).await;
    // Two lengths.
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}")
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 400);
    // A head without end.
    let mut stream = server.connect().await.unwrap();
    let _ = stream
        .write_all(format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(1 << 20)).as_bytes())
        .await;
    read_to_close(&mut stream).await;
    server.assert_lives().await;
    eventually("the connections to end", async || {
        (server.metric("hatchway_connections").await < 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_first_is_told_before_it_sends() {
    let server = Hatchway::start(&[]);
    let mut stream = server.connect().await.unwrap();
    stream
        .write_all(
            b"POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 9000000\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(read_answer(&mut stream).await.unwrap().status, 413);
    let closed = tokio::time::timeout(Duration::from_secs(5), read_to_close(&mut stream)).await;
    assert!(closed.unwrap().is_empty());
}
