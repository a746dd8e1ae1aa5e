//! What it costs to bring a module from a registry to disk: `hatchway registry pull` beside other clients and beside a shell
//! pipe, and a rescan of modules that did not change. `benches/README.md` says what the figures mean, and keeps them.
//!
//! With words as arguments it measures only what has one of them in its name.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures are rounded when they are shown"
)]

mod compare;
mod content;
mod cost;
mod images;
mod registry;
mod report;
mod rescan;
mod ways;

use std::path::Path;

// As the program has it: the rescan's client runs in here.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> anyhow::Result<()> {
    hatchway::certificates::install_provider();
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [cost::ROLE, command @ ..] => cost::tell(command),
        [images::ROLE, name, folder] => images::make(name, Path::new(folder)),
        [rescan::ROLE, client, host, tag] => rescan::scan(client, host, tag),
        words => report::run(words),
    }
}
