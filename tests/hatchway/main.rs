//! Hatchway as its users meet it: the built program, over real sockets, with real API servers and registries.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is test code; clippy only sees that inside `#[test]` functions"
)]

mod support;

mod cluster;
mod registries;
