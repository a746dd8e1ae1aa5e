//! What Hatchway is measured against: the transport's limit, and the least that a webhook in Rust would do.

use crate::process::announce;
use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::Value;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// First argument of this program when it is a peer.
pub const ROLE: &str = "peer";

/// Serves as one of the peers until it is killed.
pub fn serve(name: &str, folder: &Path) -> anyhow::Result<()> {
    let answer: fn(&[u8]) -> Bytes = match name {
        "echo" => |_| Bytes::from_static(ECHO),
        "parse" => parse,
        _ => bail!("no peer is called {name}"),
    };
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(accept(folder, answer))
}

/// As long as an answer without warnings.
const ECHO: &[u8] = &[b' '; 200];

async fn accept(folder: &Path, answer: fn(&[u8]) -> Bytes) -> anyhow::Result<()> {
    let certificate = CertificateDer::from_pem_file(folder.join("tls.crt"))?;
    let key = PrivateKeyDer::from_pem_file(folder.join("tls.key"))?;
    let mut config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await.context("cannot accept")?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            stream.set_nodelay(true)?;
            let stream = acceptor.accept(stream).await?;
            let service = service_fn(move |request| handle(request, answer));
            http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await?;
            anyhow::Ok(())
        });
    }
}

async fn handle(
    request: Request<Incoming>,
    answer: fn(&[u8]) -> Bytes,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    let mut response = Response::new(Full::new(answer(&body)));
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

#[derive(Deserialize)]
struct Review<'a> {
    #[serde(borrow)]
    request: Asked<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked<'a> {
    #[serde(borrow)]
    uid: Cow<'a, str>,
    object: Value,
    old_object: Value,
}

fn parse(body: &[u8]) -> Bytes {
    let Ok(review) = serde_json::from_slice::<Review<'_>>(body) else {
        return Bytes::new();
    };
    let Asked {
        uid,
        object,
        old_object,
    } = std::hint::black_box(review.request);
    let allowed = object.is_object() || old_object.is_object();
    format!(
        r#"{{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{{"uid":"{uid}","allowed":{allowed}}}}}"#
    )
    .into()
}
