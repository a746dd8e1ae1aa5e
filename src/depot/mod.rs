//! Modules on disk: an image's layers are unpacked in one streaming pass, made durable, named, switched to, verified and
//! collected (rules REG-6, DISK-1 and DISK-2).
//!
//! # What holds
//! The link of a module leads to one complete module at every instant, also after a kill or a power cut at any step.
//! What a refused or broken download has written is gone when the call returns, or at the next [`Depot::open`].
//!
//! # On disk
//! ```text
//! <dir>/.lock                               held while a depot is open: one writer per folder
//! <dir>/modules/<weight>-<module>           link to ../<module>/v<version>, the active one
//! <dir>/<module>/v<version>/                a release, nothing but what the image holds
//! <dir>/<module>/dev-<12 hex>/              an override
//! <dir>/<module>/.list-<folder>-<12 hex>    files and digests of that folder, by the image's digest
//! <dir>/<module>/.new-…  .old-…             being unpacked, being removed: swept at the next start
//! ```
//!
//! # One pass
//! The caller's task reads the socket and hashes; a bounded channel hands the bytes to one blocking thread that
//! decompresses, checks and writes. Memory is bounded by the channel, the decoder's window and the list of entries.

mod archive;
mod decode;
mod disk;
mod durable;
mod error;
mod fill;
mod flow;
mod install;
mod limits;
mod links;
mod look;
mod module_files;
mod names;
mod pax;
mod record;
mod staging;
mod steps;
mod store;
mod sweep;
mod tree;
mod verify;

pub use archive::check_archive;
pub use error::{Refusal, StoreError, UnpackError};
pub use fill::{Fill, unpack_into};
pub use flow::{Image, Layer};
pub use limits::Limits;
pub use links::Active;
pub use look::{Listed, ListedKind, extract_files, list_entries};
pub use module_files::{ModuleFiles, ReadModuleError};
pub use names::VersionKey;
pub use steps::{Step, Steps};
pub use store::{Depot, Unpacked};
pub use verify::Verdict;
