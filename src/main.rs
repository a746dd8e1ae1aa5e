//! The `hatchway` binary.

fn main() {}
