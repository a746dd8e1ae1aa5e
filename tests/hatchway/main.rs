//! Hatchway's integration tests, one binary.

mod depot;
