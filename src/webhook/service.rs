//! From one request to one answer.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use prometheus_client::metrics::histogram::Histogram;

use super::activity::Activity;
use super::body::{self, ReadBody};
use super::deadline::Deadline;
use super::drain::Drain;
use super::gate::Gate;
use super::limits::Limits;
use super::refusal::Refusal;
use super::{Answer, Path, Reviewer};
use crate::certificates::probe::Caller;
use crate::telemetry::metrics::{ByPath, Reason, Review};
use crate::telemetry::{Metrics, panics};

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared<R> {
    pub(super) reviewer: R,
    pub(super) limits: Limits,
    pub(super) metrics: Metrics,
    pub(super) drain: Drain,
    pub(super) probe: Caller,
    reviews: Gate,
    bodies: Gate,
    /// By path, so that the hot path looks nothing up.
    durations: [Histogram; 3],
}

impl<R: Reviewer> Shared<R> {
    pub(super) fn new(reviewer: R, limits: Limits, metrics: Metrics, drain: Drain, probe: Caller) -> Self {
        let durations = Path::ALL.map(|path| {
            metrics
                .review_duration
                .get_or_create_owned(&ByPath { path: path.label() })
        });
        Self {
            reviews: Gate::new(metrics.reviews_in_flight.clone(), limits.max_reviews),
            bodies: Gate::new(metrics.body_bytes_in_flight.clone(), limits.body_budget),
            durations,
            reviewer,
            limits,
            metrics,
            drain,
            probe,
        }
    }

    /// Counts something that was turned away.
    pub(super) fn shed(&self, reason: &'static str) {
        self.metrics.shed.get_or_create(&Reason { reason }).inc();
    }

    /// Whether a failed handshake with `peer` is the readiness probe's.
    pub(super) fn is_probe(&self, peer: SocketAddr) -> bool {
        self.probe.is(peer)
    }

    async fn review(
        &self,
        path: Path,
        head: &Parts,
        body: &mut Incoming,
        arrived: Instant,
    ) -> Result<Answer, Refusal> {
        check(head, path)?;
        let mut share = self.bodies.share();
        let body = body::read(body, &self.limits, &mut share)
            .await
            .map_err(|error| self.no_body(error))?;
        let Some(_place) = self.reviews.one() else {
            self.shed("reviews");
            return Err(Refusal::shed("too many reviews at once", self.drain.begun()));
        };
        let deadline = Deadline::of(arrived, head.uri.query());
        let answer = async { self.reviewer.answer(path, body, deadline).await };
        let mut answer = pin!(AssertUnwindSafe(answer).catch_unwind());
        poll_fn(|cx| panics::without_words(|| answer.as_mut().poll(cx)))
            .await
            .map_err(|_| {
                // The panic hook has logged where.
                self.metrics.panics.inc();
                Refusal::panicked()
            })
    }

    fn no_body(&self, error: ReadBody) -> Refusal {
        match error {
            ReadBody::TooLarge => Refusal::too_large(self.limits.max_body),
            ReadBody::TooSlow => Refusal::too_slow(self.limits.body_timeout),
            ReadBody::Broken => Refusal::broken_body(),
            ReadBody::NoRoom => {
                self.shed("bodies");
                Refusal::shed("no room for another body of this size", self.drain.begun())
            }
        }
    }
}

/// Answers one request.
pub(super) async fn handle<R: Reviewer>(
    shared: Arc<Shared<R>>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let arrived = Instant::now();
    let _busy = activity.begin();
    let (head, mut body) = request.into_parts();
    let path = Path::of(head.uri.path());
    let result = match path {
        None => Err(Refusal::unknown_path(head.uri.path())),
        Some(_) if shared.drain.stopping() => {
            shared.shed("stopping");
            Err(Refusal::stopping())
        }
        Some(path) => shared.review(path, &head, &mut body, arrived).await,
    };

    let mut label = Review {
        path: path.map_or("other", Path::label),
        kind: "none",
        operation: "none",
        verdict: "none",
    };
    let mut response = Response::new(Full::default());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    match result {
        Ok(answer) => {
            label = Review {
                kind: answer.kind,
                operation: answer.operation,
                verdict: answer.verdict,
                ..label
            };
            *response.status_mut() = answer.status;
            *response.body_mut() = Full::new(answer.body);
        }
        Err(refusal) => {
            label.verdict = refusal.verdict;
            *response.status_mut() = refusal.status;
            refusal.headers(response.headers_mut());
            *response.body_mut() = Full::new(refusal.body());
            tracing::debug!(
                status = refusal.status.as_u16(),
                path = label.path,
                "request refused"
            );
            linger(&head, body, &refusal, &shared.limits);
        }
    }
    // h2 says it once for the whole connection, with GOAWAY.
    if shared.drain.begun() && head.version < Version::HTTP_2 {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    shared.metrics.review_requests.get_or_create(&label).inc();
    if let Some(path) = path {
        shared.durations[path as usize].observe(arrived.elapsed().as_secs_f64());
    }
    Ok(response)
}

/// What can be said of a request by its head alone.
fn check(head: &Parts, path: Path) -> Result<(), Refusal> {
    if head.method != Method::POST {
        return Err(Refusal::method(&head.method, path));
    }
    let media = head.headers.get(CONTENT_TYPE);
    if !media.is_some_and(is_json) {
        return Err(Refusal::media(media));
    }
    for encoding in head.headers.get_all(CONTENT_ENCODING) {
        if !encoding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity") {
            return Err(Refusal::encoding(encoding));
        }
    }
    Ok(())
}

fn is_json(media: &HeaderValue) -> bool {
    let bytes = media.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
    bytes[..end]
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

/// How many bytes of a refused body are read and thrown away at least, so that even a client that is far off the mark
/// learns why: about what a fast network delivers in a tenth of a second.
const LINGER: usize = 16 << 20;

/// Keeps reading what an HTTP/1.1 client is still sending after it was refused, so that it gets to read the answer.
/// Not when it waits for our word before it sends anything, and not when it was too slow.
fn linger(head: &Parts, body: Incoming, refusal: &Refusal, limits: &Limits) {
    let waits = head.headers.contains_key(EXPECT);
    if head.version == Version::HTTP_11
        && !waits
        && refusal.status != StatusCode::REQUEST_TIMEOUT
        && !body.is_end_stream()
    {
        tokio::spawn(body::discard(body, limits.max_body.saturating_mul(2).max(LINGER)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_json_with_parameters_and_in_any_case() {
        for media in [
            "application/json",
            "application/json; charset=utf-8",
            "Application/JSON ;v=1",
        ] {
            assert!(is_json(&HeaderValue::from_static(media)), "{media}");
        }
        for media in [
            "application/jsonp",
            "text/json",
            "",
            "application/json-patch+json",
        ] {
            assert!(!is_json(&HeaderValue::from_static(media)), "{media}");
        }
    }
}
