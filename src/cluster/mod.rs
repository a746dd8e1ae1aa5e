//! The objects: who fills the world and writes to it. Every change of an object goes through one [`Store`]; the
//! standalone backend follows a folder of files and applies them to it as `kubectl apply` would.
//!
//! ```text
//! folder ─ documents ─ Standalone ─ three-way merge ─ rules ─ Store ─ World
//! ```

mod apply;
mod blank;
mod connect;
pub mod folder;
pub(crate) mod intake;
mod lease;
pub(crate) mod metadata;
mod standalone;
mod state;
mod store;

pub use connect::{ConnectError, connect};
pub use lease::{Elector, Leadership, Term};
pub use standalone::{FollowFolderError, Standalone};
pub use state::router;
pub use store::{Store, WriteError};
