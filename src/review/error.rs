//! Why a review cannot be answered: one line for whoever sent it.

use super::json::ReadJsonError;

/// Why bytes are no review that can be answered: told as HTTP 400 (AD-1).
#[derive(Debug, thiserror::Error)]
pub enum ReadReviewError {
    /// Not UTF-8.
    #[error("the body is not UTF-8 (byte {0}): send JSON in UTF-8")]
    Utf8(usize),
    /// Not JSON, or not of the envelope's shape.
    #[error("the body is no AdmissionReview: {0}")]
    Json(String),
    /// JSON of another kind.
    #[error(
        "expected apiVersion '{wanted_version}' and kind '{wanted_kind}', found '{version}' and '{kind}': send {wanted_version} {wanted_kind}"
    )]
    Type {
        /// The version that is understood.
        wanted_version: &'static str,
        /// The kind that is understood.
        wanted_kind: &'static str,
        /// The version that was sent.
        version: String,
        /// The kind that was sent.
        kind: String,
    },
    /// A part of the request is missing.
    #[error("{field} is missing: {hint}")]
    Missing {
        /// The missing part.
        field: &'static str,
        /// What to do.
        hint: &'static str,
    },
    /// The operation is none that exists.
    #[error("request.operation '{0}' is not known: use CREATE, UPDATE, DELETE or CONNECT")]
    Operation(String),
    /// The object says that it is of another kind than the request.
    #[error(
        "{field} is a '{found}', but request.kind says '{expected}': send the object that the review is about"
    )]
    Mismatch {
        /// `request.object` or `request.oldObject`.
        field: &'static str,
        /// What the request says.
        expected: String,
        /// What the object says.
        found: String,
    },
    /// A part that is read is malformed.
    #[error("{field}: {source}")]
    Part {
        /// Which part.
        field: String,
        /// What is wrong with it.
        source: ReadJsonError,
    },
}
