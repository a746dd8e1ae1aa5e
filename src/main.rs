//! The `hatchway` binary.

use std::process::ExitCode;

// A review is many small allocations: a quarter of its time goes into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    hatchway::certificates::install_provider();
    hatchway::cli::run()
}
