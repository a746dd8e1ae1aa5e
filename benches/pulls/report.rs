//! Rounds, medians and the tables.

use crate::compare;
use crate::cost::{self, Cost};
use crate::images::{self, Image};
use crate::registry::{Pushed, Registry};
use crate::rescan;
use crate::ways::{self, CRANE, OURS, PIPE};
use anyhow::{Context, ensure};
use std::env;
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;

/// How often each has its turn, if `HATCHWAY_BENCH_ROUNDS` does not say.
const ROUNDS: usize = 5;
/// Peak memory of a pull, in MiB, and what the large image may take more than the small one.
const RSS_GOAL: f64 = 32.0;
const RSS_GROWTH: f64 = 16.0;
/// A rescan's wall clock, as a ratio to the bare client's, and CPU per request, in milliseconds.
const RESCAN_GOAL: (f64, f64) = (1.3, 0.15);

/// Measures all whose name has one of `words`, or all.
pub fn run(words: &[&str]) -> anyhow::Result<()> {
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let images: Vec<&Image> = images::ALL.iter().filter(|image| wanted(image.name)).collect();
    if images.is_empty() && !wanted("rescan") {
        return Ok(());
    }
    let rounds = match env::var("HATCHWAY_BENCH_ROUNDS") {
        Ok(text) => text.parse().context("HATCHWAY_BENCH_ROUNDS is not a count")?,
        Err(_) => ROUNDS,
    };
    let folder = tempfile::Builder::new().prefix("hatchway-pulls-").tempdir()?;
    let registry = Registry::start(folder.path())?;
    println!(
        "{rounds} rounds, each in its turn; CPU of all processes of a way, without the registry's; what is written is on disk in the end\n"
    );
    let mut goals = Vec::new();
    if !images.is_empty() {
        pulls(&images, &registry, folder.path(), rounds, &mut goals)?;
    }
    if wanted("rescan") {
        rescans(&registry, folder.path(), rounds, &mut goals)?;
    }
    println!("\n| goal | at most | measured | |\n|---|--:|--:|---|");
    for (what, measured, limit) in goals {
        let met = if measured <= limit { "met" } else { "**missed**" };
        println!("| {what} | {limit:.3} | {measured:.3} | {met} |");
    }
    Ok(())
}

/// What is measured, what that is at most.
type Goals = Vec<(String, f64, f64)>;

fn pulls(
    images: &[&Image],
    registry: &Registry,
    folder: &Path,
    rounds: usize,
    goals: &mut Goals,
) -> anyhow::Result<()> {
    println!(
        "| image | KiB | way | wall s | least–most | CPU s | least–most | peak RSS MiB | wall to pipe | CPU to pipe |"
    );
    println!("|---|--:|---|--:|--:|--:|--:|--:|--:|--:|");
    let mut peaks = Vec::new();
    for image in images {
        let pushed = registry.push(image, folder)?;
        let figures = measure(image, &pushed, registry, folder, rounds)?;
        for figure in &figures {
            let (wall, cpu) = (
                sorted(figure.each(|cost| cost.wall)),
                sorted(figure.each(|cost| cost.cpu)),
            );
            let (wall_ratio, cpu_ratio) = ratios(&figures, figure.way, PIPE);
            println!(
                "| {} | {} | {} | {:.3} | {:.3}–{:.3} | {:.3} | {:.3}–{:.3} | {:.1} | {wall_ratio:.2} | {cpu_ratio:.2} |",
                image.name,
                pushed.size / 1024,
                figure.way,
                median(&wall),
                wall[0],
                wall[wall.len() - 1],
                median(&cpu),
                cpu[0],
                cpu[cpu.len() - 1],
                figure.peak(),
            );
        }
        let (wall, cpu) = ratios(&figures, OURS, PIPE);
        if let Some((wall_goal, cpu_goal)) = image.goal {
            goals.push((format!("{}: wall to pipe", image.name), wall, wall_goal));
            goals.push((format!("{}: CPU to pipe", image.name), cpu, cpu_goal));
        }
        let (_, crane) = ratios(&figures, OURS, CRANE);
        goals.push((format!("{}: CPU to crane", image.name), crane, 1.0));
        if let Some(ours) = figures.iter().find(|figure| figure.way == OURS) {
            goals.push((format!("{}: peak RSS in MiB", image.name), ours.peak(), RSS_GOAL));
            peaks.push((image.name, ours.peak()));
        }
    }
    for compression in ["gzip", "zstd"] {
        let peak = |shape: &str| {
            let name = format!("{shape} {compression}");
            peaks
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, peak)| *peak)
        };
        if let (Some(small), Some(large)) = (peak("small"), peak("large")) {
            let what = format!("{compression}: RSS in MiB of large above small");
            goals.push((what, large - small, RSS_GROWTH));
        }
    }
    Ok(())
}

/// One way's rounds.
struct Figures {
    way: &'static str,
    costs: Vec<Cost>,
}

impl Figures {
    fn each(&self, what: impl Fn(&Cost) -> f64) -> Vec<f64> {
        self.costs.iter().map(what).collect()
    }

    fn peak(&self) -> f64 {
        self.each(|cost| cost.rss).into_iter().fold(0.0, f64::max)
    }
}

fn measure(
    image: &Image,
    pushed: &Pushed,
    registry: &Registry,
    folder: &Path,
    rounds: usize,
) -> anyhow::Result<Vec<Figures>> {
    let ways = ways::all();
    let mut figures: Vec<Figures> = ways
        .iter()
        .map(|way| Figures {
            way,
            costs: Vec::new(),
        })
        .collect();
    let target = folder.join("target");
    let mut brought = None;
    // The round before the first is not counted: it brings programs and layers into memory, and compares the files.
    for round in 0..=rounds {
        // Nobody is always the one who comes after the same other.
        for turn in 0..ways.len() {
            let figure = &mut figures[(round + turn) % ways.len()];
            let command = ways::command(figure.way, registry, image, pushed, &target)?;
            let cost = cost::of(&command).with_context(|| format!("'{}' by {}", image.name, figure.way))?;
            if round > 0 {
                figure.costs.push(cost);
            } else {
                let checksum = compare::checksum(&target)?;
                let first = brought.get_or_insert_with(|| checksum.clone());
                ensure!(*first == checksum, "{} brings other files", figure.way);
            }
            set_aside(
                &target,
                &folder.join(format!("{}-{}-{round}", image.tag(), figure.way)),
            )?;
            // The next one is not to wait for what this one left to write.
            let synced = Command::new("sync").arg("-f").arg(folder).status()?;
            ensure!(synced.success(), "sync failed");
        }
    }
    Ok(figures)
}

/// Frees the bytes and leaves the names until all is over: whoever makes files on an ext4 without a journal pays for
/// each that was removed within the last minute.
fn set_aside(target: &Path, aside: &Path) -> io::Result<()> {
    fs::rename(target, aside)?;
    empty(aside)
}

fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            empty(&entry.path())?;
        } else if kind.is_file() {
            File::options().write(true).truncate(true).open(entry.path())?;
        }
    }
    Ok(())
}

fn rescans(registry: &Registry, folder: &Path, rounds: usize, goals: &mut Goals) -> anyhow::Result<()> {
    let image = &images::ALL[0];
    registry.push(image, folder)?;
    rescan::prepare(&registry.repositories())?;
    let (mut walls, mut ours_cpu) = (Vec::new(), Vec::new());
    println!(
        "\n| {} HEADs by | wall s | CPU ms each |\n|---|--:|--:|",
        rescan::COUNT
    );
    let mut scans = [(rescan::OURS, Vec::new()), (rescan::BARE, Vec::new())];
    for _ in 0..rounds {
        for (client, done) in &mut scans {
            done.push(rescan::measure(client, &registry.host, &image.tag())?);
        }
    }
    for (client, done) in &scans {
        let wall = sorted(done.iter().map(|scan| scan.wall).collect());
        let cpu = sorted(done.iter().map(|scan| scan.cpu).collect());
        println!("| {client} | {:.3} | {:.3} |", median(&wall), median(&cpu));
    }
    let [(_, ours), (_, bare)] = &scans;
    for (ours, bare) in ours.iter().zip(bare) {
        walls.push(ours.wall / bare.wall);
        ours_cpu.push(ours.cpu);
    }
    let (wall_goal, cpu_goal) = RESCAN_GOAL;
    goals.push((
        "rescan: wall to bare".to_owned(),
        median(&sorted(walls)),
        wall_goal,
    ));
    goals.push((
        "rescan: CPU ms each".to_owned(),
        median(&sorted(ours_cpu)),
        cpu_goal,
    ));
    Ok(())
}

/// Wall clock and CPU of one way to another's: medians of each round's own ratio, which is steadier than the ratio of
/// medians while others use the machine.
fn ratios(figures: &[Figures], way: &str, other: &str) -> (f64, f64) {
    let of = |way: &str| figures.iter().find(|figure| figure.way == way);
    let (Some(way), Some(other)) = (of(way), of(other)) else {
        return (f64::NAN, f64::NAN);
    };
    let ratio = |what: fn(&Cost) -> f64| {
        let pairs = way.costs.iter().zip(&other.costs);
        median(&sorted(
            pairs.map(|(way, other)| what(way) / what(other)).collect(),
        ))
    };
    (ratio(|cost| cost.wall), ratio(|cost| cost.cpu))
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
