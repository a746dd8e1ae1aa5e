//! The `hatchway` binary.

use std::process::ExitCode;

// A review is many small allocations: a quarter of its time goes into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The child that converts settings limits itself before anything else is set up.
    if std::env::args_os()
        .nth(1)
        .is_some_and(|name| name == hatchway::conversion::SUBCOMMAND)
    {
        return hatchway::conversion::child::run();
    }
    hatchway::certificates::install_provider();
    hatchway::cli::run()
}
