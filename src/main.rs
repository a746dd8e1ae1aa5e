//! The `hatchway` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(hatchway::conversion::SUBCOMMAND) => hatchway::conversion::child::run(),
        _ => ExitCode::SUCCESS,
    }
}
