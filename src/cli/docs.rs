//! `hatchway docs`: reference pages made from what the program knows of itself, so that they cannot drift.

mod metrics;
mod reference;

use std::process::ExitCode;

use clap::Subcommand;

use super::output;

/// Print a reference page as Markdown
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway docs cli > docs/reference/cli.md
  hatchway docs metrics > docs/reference/metrics.md")]
pub(super) struct Args {
    #[command(subcommand)]
    page: Page,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Page {
    /// The command line
    Cli,
    /// The metrics
    Metrics,
}

/// Prints the page.
pub(super) fn run(args: Args, command: clap::Command) -> anyhow::Result<ExitCode> {
    let Args { page } = args;
    output::print(&match page {
        Page::Cli => reference::page(command),
        Page::Metrics => metrics::page(),
    })?;
    Ok(ExitCode::SUCCESS)
}
