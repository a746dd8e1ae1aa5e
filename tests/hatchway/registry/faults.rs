use super::stub::{Stub, client, cut, impatient, network, ok, response};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hatchway::network::Proxies;
use hatchway::registry::{Network, Options, Patience, RequestError, words};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const EMPTY: &str = r#"{"tags":[]}"#;

#[tokio::test]
async fn tries_again_after_server_errors_and_broken_answers() {
    let stub = Stub::start(|seen| match seen.before {
        0 => response(500, &[], ""),
        1 => response(503, &[], ""),
        2 => cut(200, &[], EMPTY.as_bytes(), 3),
        3 => super::stub::stall(EMPTY.as_bytes(), 3),
        _ => ok(EMPTY),
    })
    .await;
    stub.repository().tags().await.unwrap();
    assert_eq!(stub.seen().len(), 5);
}

#[tokio::test]
async fn gives_up_after_five_tries_and_at_once_where_trying_is_pointless() {
    for (status, tries) in [
        (500, 5),
        (502, 5),
        (504, 5),
        (429, 5),
        (400, 1),
        (403, 1),
        (404, 1),
        (501, 1),
    ] {
        let stub = Stub::start(move |_| response(status, &[], "x")).await;
        let error = stub.repository().tags().await.unwrap_err();
        assert_eq!(error.status().unwrap().as_u16(), status);
        assert_eq!(stub.seen().len(), tries, "{status}");
    }
}

#[tokio::test]
async fn asks_for_the_words_of_a_failed_head_once() {
    let stub = Stub::start(|_| response(500, &[], "out of order")).await;
    let error = words(
        &stub
            .repository()
            .digest(&super::stub::tag("v1"))
            .await
            .unwrap_err(),
    );
    assert!(
        error.ends_with("unexpected status code 500 Internal Server Error: out of order"),
        "{error}"
    );
    assert_eq!(stub.seen().len(), 5 + 1);
}

#[tokio::test]
async fn tries_again_when_a_connection_is_reset() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let task = tokio::spawn(async move {
        for i in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            if i < 3 {
                // Unread or not, zero linger makes it a reset.
                stream.set_zero_linger().unwrap();
                continue;
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{EMPTY}",
                EMPTY.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    client(&network(), &host)
        .repository("modules")
        .tags()
        .await
        .unwrap();
    task.abort();
}

#[tokio::test]
async fn names_the_host_that_cannot_be_reached() {
    let free = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string();
    let error = words(
        &client(&network(), &free)
            .repository("m")
            .tags()
            .await
            .unwrap_err(),
    );
    assert!(
        error.starts_with(&format!("GET http://{free}/v2/m/tags/list?n=1000: ")),
        "{error}"
    );
    assert!(error.contains("Connection refused"), "{error}");
}

#[tokio::test]
async fn waits_as_long_as_a_registry_asks_for_and_so_do_all_of_its_clients() {
    let stub = Stub::start(|seen| match seen.before {
        0 => response(429, &[("retry-after", "1")], ""),
        _ => ok(EMPTY),
    })
    .await;
    let network = network();
    let (one, other) = (client(&network, &stub.host), client(&network, &stub.host));
    let start = Instant::now();
    let first = tokio::spawn(async move { one.repository("a").tags().await });
    while stub.seen().is_empty() {
        tokio::task::yield_now().await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    other.repository("b").tags().await.unwrap();
    assert!(
        start.elapsed() >= Duration::from_secs(1),
        "the other client came back too early"
    );
    first.await.unwrap().unwrap();
    assert_eq!(stub.seen().len(), 3);
}

#[tokio::test]
async fn tells_until_when_a_registry_wants_to_be_left_alone() {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now() + Duration::from_hours(1));
    for (status, after, code) in [
        (429, "3600", "TOOMANYREQUESTS"),
        (503, "3600", "UNAVAILABLE"),
        (429, date.as_str(), "TOOMANYREQUESTS"),
    ] {
        let after = after.to_owned();
        let stub = Stub::start(move |_| response(status, &[("retry-after", &after)], "")).await;
        let network = network();
        let error = client(&network, &stub.host)
            .repository("a")
            .tags()
            .await
            .unwrap_err();
        let text = words(&error);
        let until = error.wait_until().unwrap();
        assert_eq!(
            text,
            format!(
                "registry {} asks to wait until {until}: {status} {code}",
                stub.host
            )
        );
        let left = until.as_second() - jiff::Timestamp::now().as_second();
        assert!((3590..=3602).contains(&left), "{left}");
        // Nobody asks that host again before.
        let error = client(&network, &stub.host)
            .repository("b")
            .tags()
            .await
            .unwrap_err();
        assert!(matches!(error, RequestError::Throttled { .. }));
        assert_eq!(stub.seen().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn asks_one_host_for_no_more_at_once_than_its_budget() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (Arc::clone(&now), Arc::clone(&most));
    let router = axum::Router::new().fallback(move || {
        let (now, most) = (Arc::clone(&counted), Arc::clone(&highest));
        async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            EMPTY
        }
    });
    let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    for (connections, expected) in [(8, 8), (3, 3), (100, 16)] {
        most.store(0, Ordering::SeqCst);
        let options = Options {
            connections,
            patience: Patience {
                stall: Duration::from_secs(30),
                ..impatient()
            },
            proxies: Proxies::none(),
        };
        let client = client(&Network::new(options), &host);
        let all = (0..100).map(|i| {
            let repository = client.repository(format!("m{i}"));
            async move { repository.tags().await.unwrap() }
        });
        futures_util::future::join_all(all).await;
        assert_eq!(most.load(Ordering::SeqCst), expected);
    }
    task.abort();
}
