//! A registry that does what a test tells it to, and remembers what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::response::Response;
use futures_util::StreamExt;
use hatchway::network::Proxies;
use hatchway::registry::{Client, Name, Network, Options, Patience, Repository, Scheme, Source};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One request, as the stub saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) authorization: Option<String>,
    pub(crate) range: Option<String>,
    pub(crate) authority: Option<String>,
    pub(crate) body: Bytes,
    /// How many came before it.
    pub(crate) before: usize,
}

impl Seen {
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into())
    }
}

/// Ends with its value.
pub(crate) struct Stub {
    pub(crate) host: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: JoinHandle<()>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    pub(crate) async fn start(answer: impl Fn(&Seen) -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let router = router(Arc::clone(&seen), Arc::new(answer));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { host, seen, task }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn client(&self) -> Client {
        client(&network(), &self.host)
    }

    pub(crate) fn repository(&self) -> Repository {
        self.client().repository("modules/echo")
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Response + Send + Sync>;

pub(crate) fn router(seen: Arc<Mutex<Vec<Seen>>>, answer: Answer) -> Router {
    Router::new().fallback(move |request: Request| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move {
            let (parts, body) = request.into_parts();
            let header = |name: &str| {
                parts
                    .headers
                    .get(name)
                    .map(|value| value.to_str().unwrap().to_owned())
            };
            let (authorization, range) = (header("authorization"), header("range"));
            let mut one = Seen {
                method: parts.method.to_string(),
                path: parts.uri.path().to_owned(),
                query: parts.uri.query().unwrap_or_default().to_owned(),
                authority: parts.uri.authority().map(ToString::to_string),
                authorization,
                range,
                body: to_bytes(body, 1 << 20).await.unwrap(),
                before: 0,
            };
            {
                let mut seen = seen.lock().unwrap();
                one.before = seen.len();
                seen.push(one.clone());
            }
            answer(&one)
        }
    })
}

/// Quick to lose patience, so that tests are quick; all else as in production.
pub(crate) fn network() -> Arc<Network> {
    Network::new(Options {
        patience: impatient(),
        proxies: Proxies::none(),
        ..Options::default()
    })
}

pub(crate) fn impatient() -> Patience {
    Patience {
        stall: Duration::from_millis(400),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(5),
        ..Patience::default()
    }
}

pub(crate) fn client(network: &Arc<Network>, host: &str) -> Client {
    network
        .client(Source::new(Scheme::Http, host, "modules"))
        .unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold("sha256:".to_owned(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

pub(crate) fn tag(tag: &str) -> Name {
    Name::tag(tag)
}

pub(crate) fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

pub(crate) fn ok(body: impl Into<Body>) -> Response {
    response(200, &[], body)
}

/// A body that promises `bytes` and breaks its connection after `sent` of them.
pub(crate) fn cut(status: u16, headers: &[(&str, &str)], bytes: &[u8], sent: usize) -> Response {
    let pieces = vec![
        Ok(Bytes::copy_from_slice(&bytes[..sent])),
        Err(std::io::Error::other("cut")),
    ];
    // The piece goes out before the break: an error at once would take it along.
    let slow = futures_util::stream::iter(pieces).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(if piece.is_err() { 30 } else { 0 })).await;
        piece
    });
    let mut response = response(status, headers, Body::from_stream(slow));
    response
        .headers_mut()
        .insert("content-length", bytes.len().to_string().parse().unwrap());
    response
}

/// A body that promises `bytes`, sends `sent` of them and then nothing, for ever.
pub(crate) fn stall(bytes: &[u8], sent: usize) -> Response {
    let first = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(&bytes[..sent]))]);
    let mut response = ok(Body::from_stream(first.chain(futures_util::stream::pending())));
    response
        .headers_mut()
        .insert("content-length", bytes.len().to_string().parse().unwrap());
    response
}

/// A body without end and without a length.
pub(crate) fn endless() -> Response {
    let zeros = Bytes::from(vec![b' '; 64 * 1024]);
    ok(Body::from_stream(futures_util::stream::repeat_with(move || {
        Ok::<_, std::io::Error>(zeros.clone())
    })))
}

pub(crate) const OCI: &str = "application/vnd.oci.image.manifest.v1+json";

/// A manifest with one layer of the given bytes.
pub(crate) fn manifest(layer: &[u8]) -> String {
    let config = digest(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{}","size":{}}}]}}"#,
        digest(layer),
        layer.len()
    )
}
