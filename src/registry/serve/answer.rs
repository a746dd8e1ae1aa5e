//! Answers as distribution's registry gives them, errors in its codes.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use serde_json::{Value, json};

const API_VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// A refusal: status, code, words, detail.
#[derive(Debug)]
pub(super) struct Refused {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
    detail: Value,
}

impl Refused {
    pub(super) fn name_unknown(repository: &str) -> Self {
        Self::not_found(
            "NAME_UNKNOWN",
            "repository name not known to registry",
            json!({ "name": repository }),
        )
    }

    pub(super) fn tag_unknown(tag: &str) -> Self {
        Self::not_found("MANIFEST_UNKNOWN", "manifest unknown", json!({ "Tag": tag }))
    }

    pub(super) fn manifest_unknown(repository: &str, digest: &str) -> Self {
        let detail = json!({ "Name": repository, "Revision": digest });
        Self::not_found("MANIFEST_UNKNOWN", "manifest unknown", detail)
    }

    pub(super) fn blob_unknown(digest: &str) -> Self {
        Self::not_found("BLOB_UNKNOWN", "blob unknown to registry", json!(digest))
    }

    pub(super) fn digest_invalid() -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "DIGEST_INVALID",
            message: "provided digest did not match uploaded content",
            detail: json!("invalid checksum digest format"),
        }
    }

    pub(super) fn page_invalid(n: &str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "PAGINATION_NUMBER_INVALID",
            message: "invalid number of results requested",
            detail: json!({ "n": n }),
        }
    }

    pub(super) fn range_invalid(size: u64) -> Response {
        let refused = Self {
            status: StatusCode::RANGE_NOT_SATISFIABLE,
            code: "RANGE_INVALID",
            message: "invalid content range",
            detail: Value::Null,
        };
        let mut response = refused.into_response();
        if let Ok(range) = HeaderValue::try_from(format!("bytes */{size}")) {
            response.headers_mut().insert(http::header::CONTENT_RANGE, range);
        }
        response
    }

    pub(super) fn unsupported() -> Response {
        let refused = Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            code: "UNSUPPORTED",
            message: "The operation is unsupported.",
            detail: Value::Null,
        };
        let mut response = refused.into_response();
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    }

    pub(super) fn broken(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %crate::registry::words(error), "the layout cannot be read");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code: "UNKNOWN",
            message: "unknown error",
            detail: json!(crate::registry::words(error)),
        }
    }

    fn not_found(code: &'static str, message: &'static str, detail: Value) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code,
            message,
            detail,
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut error = json!({ "code": self.code, "message": self.message });
        if !self.detail.is_null() {
            error["detail"] = self.detail;
        }
        json_answer(self.status, &json!({ "errors": [error] }))
    }
}

/// A JSON answer with the API's version.
pub(super) fn json_answer(status: StatusCode, value: &Value) -> Response {
    let mut response = Response::new(Body::from(format!("{value}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    versioned(response)
}

/// Marks an answer as one of the distribution API.
pub(super) fn versioned(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(API_VERSION, HeaderValue::from_static("registry/2.0"));
    response
}
