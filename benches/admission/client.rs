//! An API server's side of the connection: HTTP/1.1 over TLS, kept alive, a request at a time on each.

use anyhow::{Context, bail};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How many connections an API server keeps to a webhook.
pub const CONNECTIONS: usize = 25;

/// Connects to servers whose certificate stands in a file.
#[derive(Clone)]
pub struct Client(TlsConnector);

impl Client {
    /// Trusts the certificate in `file` alone. Sessions are never resumed: a burst of new connections comes with full
    /// handshakes.
    pub fn new(file: &Path) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(rustls::pki_types::CertificateDer::from_pem_file(file)?)?;
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = rustls::client::Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }

    async fn connect(&self, address: &str) -> anyhow::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(self.0.connect(ServerName::try_from("localhost")?, stream).await?)
    }

    /// Sends `count` times `body` over [`CONNECTIONS`] connections, and says how long each took.
    pub async fn load(
        &self,
        address: &str,
        path: &str,
        body: &[u8],
        count: usize,
    ) -> anyhow::Result<Vec<Duration>> {
        let message: Arc<[u8]> = request(path, body).into();
        let mut streams = Vec::new();
        for _ in 0..CONNECTIONS {
            streams.push(self.connect(address).await?);
        }
        let tasks: Vec<_> = streams
            .into_iter()
            .map(|mut stream| {
                let message = Arc::clone(&message);
                tokio::spawn(async move {
                    let (mut times, mut buffer) = (Vec::new(), Vec::new());
                    for _ in 0..count.div_ceil(CONNECTIONS) {
                        let started = Instant::now();
                        exchange(&mut stream, &message, &mut buffer).await?;
                        times.push(started.elapsed());
                    }
                    anyhow::Ok(times)
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.append(&mut task.await??);
        }
        Ok(times)
    }

    /// Sends `body` once and returns the answer's body.
    pub async fn ask(&self, address: &str, path: &str, body: &[u8]) -> anyhow::Result<Vec<u8>> {
        let mut stream = self.connect(address).await?;
        let mut buffer = Vec::new();
        let start = exchange(&mut stream, &request(path, body), &mut buffer).await?;
        Ok(buffer.split_off(start))
    }

    /// Makes `count` new connections, one after the other, and closes each.
    pub async fn handshakes(&self, address: &str, count: usize) -> anyhow::Result<()> {
        for _ in 0..count {
            let mut stream = self.connect(address).await?;
            stream.shutdown().await?;
            // Until the server has closed, too: its part of the end is counted.
            let mut rest = [0; 64];
            while matches!(stream.read(&mut rest).await, Ok(length) if length > 0) {}
        }
        Ok(())
    }
}

fn request(path: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!(
        "POST {path}?timeout=10s HTTP/1.1\r\nHost: hatchway.d8-system.svc:443\r\nUser-Agent: kube-apiserver-admission\r\nContent-Length: {}\r\nAccept: application/json, */*\r\nContent-Type: application/json\r\nAccept-Encoding: gzip\r\n\r\n",
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    message
}

/// One request and its answer; returns where the answer's body begins in `buffer`.
async fn exchange(
    stream: &mut TlsStream<TcpStream>,
    message: &[u8],
    buffer: &mut Vec<u8>,
) -> anyhow::Result<usize> {
    stream.write_all(message).await?;
    stream.flush().await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&buffer[..end])?;
        if !head.starts_with("HTTP/1.1 200 ") {
            bail!("the server answered {}", String::from_utf8_lossy(buffer));
        }
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .context("an answer without Content-Length")?
            .1
            .parse()?;
        if buffer.len() >= end + 4 + length {
            return Ok(end + 4);
        }
    }
}
