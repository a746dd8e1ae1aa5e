//! `hatchway registry`: what is in a registry of modules, and modules into and out of it.

mod at;
mod docker_config;
mod listing;
mod publish;
mod pull;
mod serve;
mod wrong;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;
use tokio::runtime::Builder;

use self::wrong::Wrong;
use super::signals::Signals;

/// Refused or found wrong.
const FOUND_WRONG: u8 = 1;

/// Look into a registry of modules, pull from it, publish to it, or serve one from a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway registry modules --repo registry.example.com/modules
  hatchway registry version echo alpha --repo registry.example.com/modules
  hatchway registry releases echo --source main --state world/
  hatchway registry pull registry.example.com/modules/echo:v1.0.0 ./echo
  hatchway registry publish ./echo --repo registry.example.com/modules --version v1.0.0 --channel alpha
  hatchway registry publish ./echo --layout ./layout --version v1.0.0 --channel alpha
  hatchway registry serve ./layout

Credentials come from docker's config.json: --docker-config, else the folder in DOCKER_CONFIG, else ~/.docker.

Exit codes: 0 fine, 1 an image or a module is refused or malformed, 2 could not ask or write.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    List(listing::Command),
    Pull(pull::Args),
    Publish(publish::Args),
    Serve(serve::Args),
}

/// Does one of them.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { command } = args;
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.context("cannot start the asynchronous runtime")?;
    let done = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        if let Command::Serve(args) = command {
            return serve::run(args, signals).await;
        }
        tokio::select! {
            done = one(command) => done,
            // What is under way is dropped, and with it what it had begun to write.
            name = signals.next() => bail!("interrupted by {name}"),
        }
    });
    // Waits for the threads that clean up.
    drop(runtime);
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if error.is::<Wrong>() => {
            // Nobody is left to be told when standard error is gone.
            drop(writeln!(io::stderr(), "error: {error:#}"));
            Ok(ExitCode::from(FOUND_WRONG))
        }
        Err(error) => Err(error),
    }
}

async fn one(command: Command) -> anyhow::Result<()> {
    match command {
        Command::List(command) => listing::run(command).await,
        Command::Pull(args) => pull::run(args).await,
        Command::Publish(args) => publish::run(args).await,
        // Ends by a signal of its own.
        Command::Serve(_) => Ok(()),
    }
}

/// Tells what is worth knowing and no error.
fn warn(message: impl std::fmt::Display) {
    drop(writeln!(io::stderr(), "warning: {message}"));
}
