//! What the tests need around the program: the program itself and real parts, started and ended with the test.

pub(crate) mod authority;
pub(crate) mod control_plane;
pub(crate) mod fault_proxy;
pub(crate) mod http;
pub(crate) mod mounted;
pub(crate) mod parts;
pub(crate) mod pki;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod registry;
pub(crate) mod reviewer;
mod server;
pub(crate) mod token_service;

pub(crate) use server::{Hatchway, PATIENCE, command, eventually, eventually_within};
