//! What a caller of the API server feels of Hatchway, and what a large cluster costs it: a real etcd and kube-apiserver,
//! Hatchway installed by kubectl. `benches/README.md` keeps the figures.
//!
//! With words as arguments it measures only what has one of them in its name.
#![allow(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![allow(
    clippy::cast_precision_loss,
    reason = "figures are rounded when they are shown"
)]

mod caller;
mod creates;
mod plane;
#[path = "../admission/process.rs"]
#[allow(dead_code, reason = "shared with the other benchmark, which uses more of it")]
mod process;
mod size;

use std::path::PathBuf;

/// A part of the benchmark: its name, and what measures it.
type Part = (&'static str, fn(&plane::Plane) -> anyhow::Result<()>);

const PARTS: &[Part] = &[
    ("cluster size", size::measure),
    ("cluster creates", creates::measure),
];

fn main() -> anyhow::Result<()> {
    hatchway::certificates::install_provider();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    for (name, measure) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        println!("## {name}\n");
        // A control plane each: what one part stored would weigh on the other.
        measure(&plane::Plane::start()?)?;
        println!();
    }
    Ok(())
}

/// The server under measurement.
fn hatchway() -> PathBuf {
    std::env::var_os("HATCHWAY_BENCH_BINARY").map_or_else(|| "target/release/hatchway".into(), PathBuf::from)
}

/// How often each figure is taken.
fn rounds() -> usize {
    let rounds = std::env::var("HATCHWAY_BENCH_ROUNDS").ok();
    rounds.and_then(|rounds| rounds.parse().ok()).unwrap_or(5)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}
