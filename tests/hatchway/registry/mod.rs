//! The registry client, publishing and serving: against a stub that misbehaves on purpose, and against real registries.

mod auth;
mod faults;
mod listing;
mod pulls;
mod pushes;
mod real;
mod served;
mod stub;
mod tls;
