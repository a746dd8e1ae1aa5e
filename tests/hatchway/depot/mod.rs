//! Modules on disk.

// The lint spares only functions that are tests themselves, not what they share.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod archives;
mod crash;
mod disk_trouble;
mod hostile;
mod hostile_cases;
mod layers;
mod looking;
mod power_cut;
mod properties;
mod pulling;
mod store;
