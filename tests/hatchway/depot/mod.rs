//! Modules on disk.

mod archives;
mod crash;
mod disk_trouble;
mod hostile;
mod layers;
mod looking;
mod power_cut;
mod properties;
mod pulling;
mod store;
