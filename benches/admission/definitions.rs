//! What it costs to load settings definitions.

use crate::process::{cpu_of, rss_of};
use crate::settings;
use anyhow::Context;
use hatchway::world::Object;
use serde_json::{Value, json};
use std::process::Command;

/// First argument of this program when it loads definitions and says what that took.
pub const ROLE: &str = "definitions";

/// How many definitions must load within a second on one core.
pub const COUNT: usize = 1_000;
/// How many processes are measured, one after the other.
const PROCESSES: usize = 5;

/// Seconds and KiB per definition: the median of a few processes, since the first to touch a machine's memory pays for
/// it.
pub fn measure() -> anyhow::Result<(f64, f64)> {
    let mut measured = (0..PROCESSES)
        .map(|_| measure_once())
        .collect::<anyhow::Result<Vec<_>>>()?;
    measured.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    measured
        .get(PROCESSES / 2)
        .copied()
        .context("nothing was measured")
}

fn measure_once() -> anyhow::Result<(f64, f64)> {
    let output = Command::new(std::env::current_exe()?)
        .args([ROLE, &COUNT.to_string()])
        .output()?;
    anyhow::ensure!(
        output.status.success(),
        "loading definitions failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let measured: Value = serde_json::from_slice(&output.stdout)?;
    let number = |key: &str| measured[key].as_f64().context("not a number");
    Ok((number("seconds")?, number("kibibytes")?))
}

/// Loads `count` definitions of about 550 lines each, keeps them, and prints what that took.
pub fn load(count: usize) -> anyhow::Result<()> {
    let documents: Vec<String> = (0..count)
        .map(|i| settings::definition(&format!("module-{i}")).to_string())
        .collect();
    let before = rss_of("self")?;
    let started = cpu_of("self")?;
    let objects = documents
        .iter()
        .map(|text| Ok(Object::from_value(serde_json::from_str(text)?)?))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let seconds = cpu_of("self")?.saturating_sub(started).as_secs_f64();
    let kibibytes = (rss_of("self")? - before) * 1024.0 / count as f64;
    println!(
        "{}",
        json!({"seconds": seconds, "kibibytes": kibibytes, "count": objects.len()})
    );
    Ok(())
}
