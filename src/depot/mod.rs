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
//! How an image is read is `archive`'s; here is what becomes of it.

mod disk;
mod durable;
mod error;
mod fill;
mod hidden;
mod install;
mod links;
mod module_files;
mod names;
mod record;
mod staging;
mod steps;
mod store;
mod sweep;
mod verify;

pub use error::{StoreError, UnpackError};
pub use fill::{Fill, unpack_into};
pub use links::Active;
pub use module_files::{ModuleFiles, ReadModuleError};
pub use names::VersionKey;
pub use steps::{Step, Steps};
pub use store::{Depot, Unpacked};
pub use verify::Verdict;
