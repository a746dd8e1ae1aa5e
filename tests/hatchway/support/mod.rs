//! What the tests need around the program: real parts, started and ended with the test.

pub(crate) mod authority;
pub(crate) mod control_plane;
pub(crate) mod parts;
pub(crate) mod port;
pub(crate) mod process;
pub(crate) mod registry;
pub(crate) mod token_service;
