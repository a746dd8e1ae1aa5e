//! What a review costs: the server and its peers in one run, in turn, over real sockets. `benches/README.md` says what
//! the figures mean, and keeps them.
//!
//! With words as arguments it measures only what has one of them in its name.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures are rounded when they are shown"
)]

mod bodies;
mod client;
mod definitions;
mod peers;
mod process;
mod report;
mod settings;
mod shapes;
mod world;

use anyhow::Context;
use std::path::Path;

// As the server has it: what is compared are the servers, not allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    hatchway::certificates::install_provider();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [peers::ROLE, name, folder] => peers::serve(name, Path::new(folder)),
        [definitions::ROLE, count] => definitions::load(count.parse().context("not a count")?),
        words => report::run(words),
    }
}
