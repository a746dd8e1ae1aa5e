//! The integration suite: one binary, a module per part.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod registry;
