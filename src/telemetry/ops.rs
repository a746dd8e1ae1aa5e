//! The ops port: `/livez`, `/readyz`, `/metrics` over plain HTTP (rule SV-1), and whatever other rooms merge in.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode, Uri};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::metrics::render;
use super::readiness::Readiness;

/// Connections at once: a kubelet, a few scrapers and a few people. Beyond it a connection is closed at once.
const CONNECTIONS: usize = 256;
/// How long a request's head may take, and how long a connection may be silent. Scrapers simply come again.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting rests after an error such as too many open files, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The media type of OpenMetrics text.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Ops {
    registry: Arc<Registry>,
    readiness: Readiness,
}

/// The routes. `extra` is merged in: the standalone world's `/state`, say.
pub fn router(registry: Arc<Registry>, readiness: Readiness, extra: Router) -> Router {
    Router::new()
        .route(
            "/livez",
            get(|| async { json(StatusCode::OK, r#"{"live":true}"#.to_owned()) }),
        )
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Ops { registry, readiness })
        .merge(extra)
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
}

/// Serves `router` until the future is dropped. A slow or broken client costs its own connection only.
pub async fn serve(listener: TcpListener, router: Router) -> Infallible {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept on the ops port");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let connection =
            builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection on the ops port ended early");
            }
            drop(place);
        });
    }
}

async fn readyz(State(ops): State<Ops>) -> Response {
    let report = ops.readiness.report().await;
    let status = if report.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    match serde_json::to_string(&report) {
        Ok(body) => json(status, body),
        Err(error) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("readiness cannot be told: {error}"),
        ),
    }
}

async fn metrics(State(ops): State<Ops>) -> Response {
    match render(&ops.registry) {
        Ok(text) => ([(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS))], text).into_response(),
        Err(error) => problem(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("metrics cannot be written: {error}"),
        ),
    }
}

async fn unknown(uri: Uri) -> Response {
    problem(
        StatusCode::NOT_FOUND,
        &format!(
            "no such path \"{}\"; there are /livez, /readyz and /metrics",
            uri.path()
        ),
    )
}

async fn wrong_method(method: http::Method, uri: Uri) -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        &format!("method {method} is not allowed for \"{}\"; use GET", uri.path()),
    )
}

/// An answer with one line of JSON that says what was wrong.
fn problem(status: StatusCode, message: &str) -> Response {
    json(status, serde_json::json!({ "error": message }).to_string())
}

fn json(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    (
        status,
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}
