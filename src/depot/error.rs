//! What can go wrong with the disk, and in whose words.

use std::io;
use std::path::PathBuf;

use crate::archive::{self, ReadError};
use crate::values::ParseModuleNameError;

/// An image could not be put on disk. Nothing of it stays, and what was there before is untouched.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The image could not be read, or is not acceptable.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The disk refused: full, read-only, failing.
    #[error("cannot {doing}")]
    Disk {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The names are wrong or the folder is not ours to write to.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The depot's folder could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The system refused an operation.
    #[error("cannot {doing}")]
    Disk {
        /// What was being done, with the path.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// Two writers on one folder would sweep each other's work.
    #[error("\"{}\" is in use by another process", dir.display())]
    InUse {
        /// The depot's folder.
        dir: PathBuf,
    },
    /// The name would not be a folder of its own.
    #[error(transparent)]
    ModuleName(#[from] ParseModuleNameError),
    /// A digest of a kind that this program does not check.
    #[error("\"{digest}\" is no sha256 digest: \"sha256:\" and 64 lower-case hex digits")]
    DigestForm {
        /// What was given.
        digest: String,
    },
    /// The version is not on disk.
    #[error("{key} of module \"{module}\" is not on disk")]
    Absent {
        /// The module.
        module: String,
        /// Its folder.
        key: String,
    },
    /// The folder to fill has something in it.
    #[error("\"{}\" is not empty: choose another folder, or replace it", dir.display())]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The blocking thread ended without an answer.
    #[error("the work on \"{}\" was interrupted", dir.display())]
    Interrupted {
        /// The folder.
        dir: PathBuf,
    },
}

impl StoreError {
    /// For `map_err`: what was being done, with the system's answer as its source.
    pub(super) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

/// What ends the unpacking thread.
#[derive(Debug)]
pub(super) enum Fault {
    /// The bytes are at fault.
    Archive(archive::Fault),
    /// The disk refused.
    Disk { doing: String, source: io::Error },
    /// A name or the folder is wrong.
    Store(StoreError),
}

impl Fault {
    pub(super) fn disk(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Disk { doing, source }
    }
}

impl archive::Failure for Fault {
    type Told = UnpackError;

    fn fault(self) -> Result<archive::Fault, UnpackError> {
        match self {
            Self::Archive(fault) => Ok(fault),
            Self::Disk { doing, source } => Err(UnpackError::Disk { doing, source }),
            Self::Store(error) => Err(error.into()),
        }
    }
}

impl From<archive::Fault> for Fault {
    fn from(fault: archive::Fault) -> Self {
        Self::Archive(fault)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
