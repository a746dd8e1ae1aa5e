//! Which errors mean that an image or a module is wrong (exit code 1), and which that nobody could look (2).

use anyhow::{Error, anyhow};

use crate::archive::ReadError;
use crate::depot::{StoreError, UnpackError};
use crate::registry::publish::{PackError, PublishError};
use crate::registry::{FetchError, words};

/// Something was looked at and refused; the text is the whole message.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Wrong(String);

/// An image that was asked for.
pub(super) fn fetching(error: &FetchError) -> Error {
    let wrong = match error {
        FetchError::Request(_) => false,
        FetchError::Read(error) => is_refusal(error),
        FetchError::NoVersion
        | FetchError::Version(_)
        | FetchError::Definition(_)
        | FetchError::Missing { .. }
        | FetchError::Malformed { .. } => true,
    };
    told(wrong, error)
}

/// An image that was to be unpacked.
pub(super) fn unpacking(error: &UnpackError) -> Error {
    let wrong = match error {
        UnpackError::Read(error) => is_refusal(error),
        UnpackError::Store(error) => matches!(error, StoreError::NotEmpty { .. }),
        UnpackError::Disk { .. } => false,
    };
    told(wrong, error)
}

/// A module that was to be published.
pub(super) fn publishing(error: &PublishError) -> Error {
    let wrong = match error {
        PublishError::NoDefinition { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        PublishError::Definition(_) | PublishError::NoName | PublishError::Exists { .. } => true,
        PublishError::Pack(error) => !matches!(error, PackError::Io { .. }),
        _ => false,
    };
    told(wrong, error)
}

fn is_refusal(error: &ReadError) -> bool {
    matches!(error, ReadError::Refused { .. })
}

fn told(wrong: bool, error: &(dyn std::error::Error + 'static)) -> Error {
    let text = words(error);
    if wrong { Wrong(text).into() } else { anyhow!(text) }
}
