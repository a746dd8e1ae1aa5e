//! The objects: who fills the world and writes to it.
//!
//! Standalone, a folder of files is followed and applied as `kubectl apply` would, every change through one [`Store`].
//! In a cluster, [`watches`] follow the API server.
//!
//! ```text
//! folder ─ documents ─ Standalone ─ three-way merge ─ rules ─ Store ─ World
//! API server ─ list, watch ─ watches ─ World
//! ```

mod apply;
mod blank;
mod calls;
mod connect;
mod defects;
pub mod folder;
pub(crate) mod intake;
mod lease;
mod list;
pub(crate) mod metadata;
mod read;
mod standalone;
mod state;
mod store;
pub mod stored_versions;
mod trouble;
mod uninstall;
pub mod watches;

pub use calls::CallError;
pub use connect::{ConnectError, connect, find};
pub use lease::{Elector, Leadership, Term};
pub use list::list;
pub use standalone::{FollowFolderError, Standalone};
pub use state::router;
pub use store::{Store, WriteError};
pub use trouble::{Cause, Trouble};
pub use uninstall::{Progress, Report, Uninstall};
