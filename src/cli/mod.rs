//! The command line: one file per command, each parses, calls and prints. Exit codes: 0 fine, 1 refused or found
//! wrong, 2 could not judge or run.

mod against;
mod check;
mod completions;
mod docs;
mod kubeconfig;
mod manifests;
mod output;
mod registry;
mod review;
mod serve;
mod signals;
mod uninstall;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::telemetry::{logs, panics};

/// Could not judge or run.
const COULD_NOT_RUN: u8 = 2;

/// Admission and release server for the modules of Deckhouse Kubernetes Platform.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 fine, 1 refused or found wrong, 2 could not judge or run."
)]
struct Cli {
    #[command(flatten)]
    logs: Logs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Args)]
struct Logs {
    /// How log lines on standard error look [default: human on a terminal, else json]
    #[arg(long, global = true, env = "HATCHWAY_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<logs::Format>,
    /// What is logged: a level, or directives such as `info,hatchway=debug`
    #[arg(long, global = true, env = "HATCHWAY_LOG", value_name = "FILTER", default_value = "info", value_parser = logs::filter)]
    log: EnvFilter,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(Box<serve::Args>),
    Check(check::Args),
    Review(review::Args),
    Registry(registry::Args),
    Manifests(manifests::Args),
    Uninstall(uninstall::Args),
    Completions(completions::Args),
    #[command(hide = true)]
    Docs(docs::Args),
}

/// Does what the command line says.
pub fn run() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|name| name == "registry") {
        // A few buffers made of huge pages take tens of megabytes that nobody uses. Asked for before there are any; where
        // it cannot be had all works as well.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    let Cli {
        logs: Logs { log_format, log },
        command,
    } = Cli::parse();
    logs::init(log_format.unwrap_or_else(logs::Format::by_terminal), log);
    panics::log_panics();
    let result = match command {
        Command::Serve(args) => serve::run(*args),
        Command::Check(args) => check::run(args),
        Command::Review(args) => review::run(args),
        Command::Registry(args) => registry::run(args),
        Command::Manifests(args) => manifests::run(args),
        Command::Uninstall(args) => uninstall::run(args),
        Command::Completions(args) => completions::run(args, Cli::command()),
        Command::Docs(args) => docs::run(args, Cli::command()),
    };
    result.unwrap_or_else(|error| {
        // Nobody is left to be told when standard error is gone.
        drop(writeln!(std::io::stderr(), "error: {error:#}"));
        ExitCode::from(COULD_NOT_RUN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_long_flag_can_come_from_the_environment() {
        fn visit(command: &clap::Command) {
            for flag in command.get_arguments() {
                let Some(name) = flag.get_long().filter(|name| !["help", "version"].contains(name)) else {
                    continue;
                };
                let env = format!("HATCHWAY_{}", name.replace('-', "_").to_uppercase());
                assert_eq!(
                    flag.get_env().and_then(|env| env.to_str()),
                    Some(env.as_str()),
                    "{} --{name}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }

    #[test]
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands() {
            let after = command.get_after_help().map(ToString::to_string);
            assert!(
                after.is_some_and(|after| after.starts_with("Examples:\n  hatchway ")),
                "{}",
                command.get_name()
            );
        }
    }
}
