//! Who of several replicas writes to the cluster (rule SV-5): the one that holds the Lease. All others serve reviews
//! like it, and wait for their turn.
//!
//! ```text
//! Elector ── Election (when to call what, pure) ── Leases (the API server)
//!    └─ Leadership ── Term: may_write, over
//! ```

mod election;
mod elector;
mod leases;
mod term;
#[cfg(test)]
mod tests;

pub use elector::Elector;
pub use term::{Leadership, Term};
