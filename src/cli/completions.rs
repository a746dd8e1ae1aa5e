//! `hatchway completions`: what a shell reads to complete our command lines.

use std::process::ExitCode;

use anyhow::Context;
use clap::ValueEnum;
use clap_complete::Shell;

use super::output;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway completions bash > /etc/bash_completion.d/hatchway
  hatchway completions zsh > \"${fpath[1]}/_hatchway\"
  hatchway completions fish > ~/.config/fish/completions/hatchway.fish
  source <(hatchway completions bash)")]
pub(super) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: For,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum For {
    /// Bourne again shell
    Bash,
    /// Z shell
    Zsh,
    /// Friendly interactive shell
    Fish,
}

/// Prints the completions of the whole command line.
pub(super) fn run(args: Args, mut command: clap::Command) -> anyhow::Result<ExitCode> {
    let Args { shell } = args;
    let shell = match shell {
        For::Bash => Shell::Bash,
        For::Zsh => Shell::Zsh,
        For::Fish => Shell::Fish,
    };
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    let text = String::from_utf8(text).context("completions are no text")?;
    output::print(&text)?;
    Ok(ExitCode::SUCCESS)
}
