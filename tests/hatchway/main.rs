//! Hatchway as its users meet it: the built program, over real sockets, with real API servers and registries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "all of this is test code; clippy only sees that inside `#[test]` functions"
)]

mod arrival;
mod arrows;
mod cases;
mod census;
mod certificates;
mod cli;
mod clients;
mod cluster;
mod depot;
mod docs;
mod drain;
mod enforcement;
mod examples;
mod fuzz;
mod image;
mod limits;
mod properties;
mod protocol;
mod registries;
mod registry;
mod reviewer;
mod settings;
mod support;
mod validations;
