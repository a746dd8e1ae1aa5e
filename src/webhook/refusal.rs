//! Answers of the transport itself: an HTTP error with one line of JSON that says what was wrong and what to do
//! instead (rule AD-1).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::Path;

/// A request that no reviewer gets to see, or whose reviewer failed.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    message: Cow<'static, str>,
    /// Metric label.
    pub(super) verdict: &'static str,
}

impl Refusal {
    pub(super) fn unknown_path(route: &str) -> Self {
        let [validate, mutate, convert] = Path::ALL.map(Path::route);
        Self::protocol(
            StatusCode::NOT_FOUND,
            format!(
                "no such path \"{}\"; POST an AdmissionReview to {validate} or {mutate}, a ConversionReview to {convert}",
                short(route)
            ),
        )
    }

    pub(super) fn method(method: &Method, path: Path) -> Self {
        Self::protocol(
            StatusCode::METHOD_NOT_ALLOWED,
            format!(
                "method \"{}\" is not allowed for {}; use POST",
                short(method.as_str()),
                path.route()
            ),
        )
    }

    pub(super) fn media(given: Option<&HeaderValue>) -> Self {
        let given = match given {
            Some(value) => format!(
                "content type \"{}\" is not understood",
                short(&String::from_utf8_lossy(value.as_bytes()))
            ),
            None => "the content type is missing".to_owned(),
        };
        Self::protocol(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!("{given}; send JSON with Content-Type: application/json"),
        )
    }

    pub(super) fn encoding(given: &HeaderValue) -> Self {
        Self::protocol(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            format!(
                "content encoding \"{}\" is not understood; send the body as it is, without Content-Encoding",
                short(&String::from_utf8_lossy(given.as_bytes()))
            ),
        )
    }

    pub(super) fn too_large(limit: usize) -> Self {
        Self::protocol(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("the body is longer than {limit} bytes; send a smaller object, or raise --max-body"),
        )
    }

    pub(super) fn too_slow(limit: Duration) -> Self {
        Self::protocol(
            StatusCode::REQUEST_TIMEOUT,
            format!("the body did not arrive within {limit:?}; send it again, faster"),
        )
    }

    pub(super) fn broken_body() -> Self {
        Self::protocol(
            StatusCode::BAD_REQUEST,
            "the body could not be read to its end; send as many bytes as Content-Length says",
        )
    }

    /// No room: 429, or 503 while draining, when another replica is the better address.
    pub(super) fn shed(what: &'static str, draining: bool) -> Self {
        let status = if draining {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::TOO_MANY_REQUESTS
        };
        Self {
            status,
            message: format!("{what}; try again in a second").into(),
            verdict: "shed",
        }
    }

    pub(super) fn stopping() -> Self {
        Self::shed("the server is shutting down", true)
    }

    pub(super) fn panicked() -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: "the review failed inside the server; its log says where, please report it".into(),
            verdict: "panic",
        }
    }

    /// What the answer carries beside its body.
    pub(super) fn headers(&self, headers: &mut HeaderMap) {
        match self.status {
            StatusCode::METHOD_NOT_ALLOWED => {
                headers.insert(ALLOW, HeaderValue::from_static("POST"));
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                // The API server tries again by itself when it finds this.
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
    }

    /// One line of JSON.
    pub(super) fn body(&self) -> Bytes {
        let mut line = serde_json::json!({ "error": self.message }).to_string();
        line.push('\n');
        line.into()
    }

    fn protocol(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            status,
            message: message.into(),
            verdict: "protocol-error",
        }
    }
}

/// At most 100 characters of what was sent.
fn short(text: &str) -> &str {
    text.char_indices().nth(100).map_or(text, |(at, _)| &text[..at])
}
