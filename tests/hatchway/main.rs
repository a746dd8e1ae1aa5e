//! Everything that is tested from outside: over real sockets, mostly against the built binary.

// The lints that keep the server alive do not bind tests; clippy knows tests by their attribute, not their helpers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

mod support;

mod certificates;
mod cli;
mod clients;
mod drain;
mod limits;
mod protocol;
mod reviewer;
