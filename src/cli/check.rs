//! `hatchway check`: judges files as the server would judge what is applied from them, or what is in a cluster.

mod applied;
mod github;
mod human;
mod json;
mod judge;
mod report;
mod sarif;
mod standing;
mod strict;

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{ValueEnum, ValueHint};
use jiff::Timestamp;

use super::against::Against;
use super::output;
use crate::documents::{self, Reading};
use crate::review::Settler;
use crate::rules::User;

/// Judge files as the server would, without one, or what is in a cluster
///
/// Each object of the files is completed and judged as if it were applied: as a new one, or as a change where the world
/// has it. Objects of the files count for each other, whatever their order, as they would in one `kubectl apply` of all.
///
/// With --cluster and no file each object that is in the cluster is judged as it stands, as if it were made now.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway check --state world/ moduleconfig.yaml
  kubectl kustomize overlays/prod | hatchway check --state world/ -
  hatchway check --state world/ -o github configs/
  hatchway check --cluster
  hatchway check --cluster -o json > wrong.json
  hatchway check --state world/ -o sarif configs/ > hatchway.sarif

Exit codes: 0 fine (maybe with warnings), 1 at least one object is refused, or would be if it were made now, 2 something
could not be judged.")]
pub(super) struct Args {
    /// Files of YAML or JSON, or folders of them; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    files: Vec<PathBuf>,
    /// The world is a cluster's, found as kubectl finds it; without files, what is in it is judged
    #[arg(long, env = "HATCHWAY_CLUSTER", conflicts_with = "state")]
    cluster: bool,
    #[command(flatten)]
    against: Against,
    /// What becomes of fields that are unknown or twice there, as in kubectl
    #[arg(long, env = "HATCHWAY_VALIDATE", value_enum, default_value_t)]
    validate: Strictness,
    /// How findings are printed
    #[arg(
        short,
        long,
        env = "HATCHWAY_OUTPUT",
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    output: Format,
}

/// What becomes of unknown and duplicate fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Strictness {
    /// The object is refused
    #[default]
    Strict,
    /// They are told
    Warn,
    /// They are dropped in silence
    Ignore,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// A line each, and a summary
    #[default]
    Human,
    /// One JSON object
    Json,
    /// Workflow commands that annotate a pull request
    Github,
    /// SARIF 2.1.0, for code scanners
    Sarif,
}

/// Judges the files and prints what was found.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args {
        files,
        cluster,
        against,
        validate,
        output,
    } = args;
    if files.is_empty() && !cluster {
        bail!(
            "nothing to judge: name files or folders (- is standard input), or say --cluster to judge what is in one"
        );
    }
    let world = if files.is_empty() {
        against.cluster()?
    } else {
        against.world()?
    };
    let trusted = against.trusted();
    // Whoever is named as trusted is the one who applies.
    let name = against.trusted_user.first().map_or("", String::as_str);
    let user = User {
        name,
        trusted: trusted.contains(name),
    };
    let (runtime, converter) = Against::settler()?;
    let settler = Settler::new(converter, runtime.handle().clone());
    let now = Timestamp::now();
    let report = if files.is_empty() {
        standing::judge(world, settler, now)
    } else {
        judge::judge(read(&files)?, world, user, &settler, validate, now)
    };
    let text = match output {
        Format::Human => human::render(&report),
        Format::Json => json::render(&report),
        Format::Github => github::render(&report),
        Format::Sarif => sarif::render(&report),
    };
    output::print(&text)?;
    Ok(ExitCode::from(report.exit_code()))
}

/// What the files hold, in the order in which they were named; each file once.
fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Reading>> {
    let mut readings = Vec::new();
    let mut seen = HashSet::new();
    for file in files {
        if file == Path::new("-") {
            let mut text = Vec::new();
            let limit = documents::MAX_BYTES as u64 + 1;
            std::io::stdin()
                .lock()
                .take(limit)
                .read_to_end(&mut text)
                .context("cannot read standard input")?;
            readings.push(documents::parse("-", &text));
        } else if file.is_dir() {
            let listed = documents::folder(file).context("cannot read the folder")?;
            let new = listed.into_iter().filter(|file| seen.insert(file.clone()));
            readings.extend(new.map(|file| documents::read(&file)));
        } else if seen.insert(file.clone()) {
            readings.push(documents::read(file));
        }
    }
    Ok(readings)
}
