//! A caller of the API server: HTTP/1.1 over TLS, kept alive, a request at a time on each connection.

use crate::plane::{Plane, TOKEN};
use anyhow::Context;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Connections at once: enough that the API server is never idle on two cores, few enough that a latency is not mostly
/// a queue.
const CONNECTIONS: usize = 8;

/// Calls the API server as its administrator.
pub struct Caller {
    connector: TlsConnector,
    address: String,
}

/// What became of a run of calls.
pub struct Run {
    /// From the first call to the last answer.
    pub wall: Duration,
    /// How long each took.
    pub times: Vec<Duration>,
}

impl Caller {
    /// A caller of that control plane.
    pub fn new(plane: &Plane) -> anyhow::Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(plane.ca())?)?;
        let config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            address: plane.address.clone(),
        })
    }

    /// POSTs each body to `path`, all of which have to be created.
    pub async fn create(&self, path: &str, bodies: Arc<Vec<Bytes>>) -> anyhow::Result<Run> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(self.connect().await?);
        }
        let started = Instant::now();
        let tasks: Vec<_> = connections
            .into_iter()
            .map(|mut connection| {
                let (next, bodies, path) = (Arc::clone(&next), Arc::clone(&bodies), path.to_owned());
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let called = Instant::now();
                        let (status, answer) = post(&mut connection, &path, body.clone()).await?;
                        times.push(called.elapsed());
                        anyhow::ensure!(status == StatusCode::CREATED, "{status}: {answer}");
                    }
                    anyhow::Ok(times)
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.append(&mut task.await??);
        }
        Ok(Run {
            wall: started.elapsed(),
            times,
        })
    }

    /// POSTs one body and says what came back.
    pub async fn post(&self, path: &str, body: Bytes) -> anyhow::Result<(StatusCode, Value)> {
        post(&mut self.connect().await?, path, body).await
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.address).await?;
        stream.set_nodelay(true)?;
        let stream = self
            .connector
            .connect(ServerName::try_from("localhost")?, stream)
            .await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // It ends with its sender.
        tokio::spawn(connection);
        Ok(sender)
    }
}

async fn post(
    connection: &mut SendRequest<Full<Bytes>>,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Value)> {
    let request = Request::post(path)
        .header("host", "localhost")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Full::new(body))?;
    let response = connection.send_request(request).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    let answer = serde_json::from_slice(&body).context("the API server answered no JSON")?;
    Ok((status, answer))
}
