//! HTTP by hand and by hyper: raw bytes for what no decent client sends, hyper for the rest.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Hatchway, PATIENCE, pki};

pub(crate) type Tls = TlsStream<TcpStream>;

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of an error: the body has to be one line of JSON that holds it.
    pub(crate) fn error(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        assert_eq!(
            self.body.trim_end_matches('\n').lines().count(),
            1,
            "{:?}",
            self.body
        );
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        body["error"].as_str().unwrap().to_owned()
    }
}

/// HTTP versions by their ALPN names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    H1,
    H2,
}

pub(crate) type HyperClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that trusts `config`'s roots and speaks one version only.
pub(crate) fn client(config: ClientConfig, version: Version) -> HyperClient {
    let builder = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only();
    let connector = match version {
        Version::H1 => builder.enable_http1().build(),
        Version::H2 => builder.enable_http2().build(),
    };
    Client::builder(TokioExecutor::new())
        .http2_only(version == Version::H2)
        .build(connector)
}

impl Hatchway {
    /// A client of this server.
    pub(crate) fn client(&self, version: Version) -> HyperClient {
        client(pki::trusting(&[&self.ca]), version)
    }

    /// The address of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://127.0.0.1:{}{path}", self.https.port())
    }

    /// A POST of JSON.
    pub(crate) fn post(&self, path: &str, body: impl Into<Bytes>) -> http::Request<Full<Bytes>> {
        http::Request::post(self.url(path))
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap()
    }

    /// A connection after its handshake, for bytes by hand, in HTTP/1.1.
    pub(crate) async fn connect(&self) -> io::Result<Tls> {
        connect(self.https, pki::trusting(&[&self.ca])).await
    }

    /// Whether it still answers.
    pub(crate) async fn assert_lives(&self) {
        let answer = send(&self.client(Version::H1), self.post("/validate", "{}")).await;
        assert_eq!(answer.unwrap().status, 400);
    }
}

/// Sends and reads the whole answer.
pub(crate) async fn send(
    client: &HyperClient,
    request: http::Request<Full<Bytes>>,
) -> Result<Answer, String> {
    let response = within(client.request(request))
        .await
        .map_err(|error| format!("{error:?}"))?;
    let (head, body) = response.into_parts();
    let body = within(body.collect())
        .await
        .map_err(|error| format!("{error:?}"))?
        .to_bytes();
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    })
}

pub(crate) async fn connect(to: SocketAddr, config: ClientConfig) -> io::Result<Tls> {
    let stream = TcpStream::connect(to).await?;
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A GET over plain HTTP.
pub(crate) async fn plain_get(to: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(to).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    read_answer(&mut stream).await
}

/// Reads one answer of HTTP/1.1 that has a Content-Length.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Answer> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if within(stream.read_buf(&mut bytes)).await? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                String::from_utf8_lossy(&bytes).into_owned(),
            ));
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let mut headers = http::HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        headers.append(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    }
    let length: usize = headers
        .get("content-length")
        .map_or(0, |value| value.to_str().unwrap().parse().unwrap());
    while bytes.len() < head + length {
        if within(stream.read_buf(&mut bytes)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let body = String::from_utf8(bytes[head..head + length].to_vec()).unwrap();
    Ok(Answer {
        status,
        headers,
        body,
    })
}

/// Reads until the other side closes; gives what came.
pub(crate) async fn read_to_close(stream: &mut (impl AsyncRead + Unpin)) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end, too.
    let _ = within(stream.read_to_end(&mut bytes)).await;
    bytes
}

/// The head of a POST with `length` bytes of JSON.
pub(crate) fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// Panics when it takes too long.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("an answer in time")
}

/// Whether `future` is still pending after a while.
pub(crate) async fn stays_pending(future: impl Future, a_while: Duration) -> bool {
    tokio::time::timeout(a_while, future).await.is_err()
}
