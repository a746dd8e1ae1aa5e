//! The reference of the command line, a section per command.

use std::fmt::Write;

use clap::builder::StyledStr;
use clap::{Arg, Command, Id};

/// The whole page.
pub(super) fn page(mut command: Command) -> String {
    // Spreads global flags to where they can be written, and fills in the usage lines.
    command.build();
    let mut page = String::from(
        "# Command line\n\n<!-- Printed by `hatchway docs cli`; change the help texts in src/cli, not this page. -->\n",
    );
    section(&command, &[], &[], &mut page);
    page
}

/// `told` are the global flags that a section above has shown: what many commands take is told once.
fn section(command: &Command, parents: &[&str], told: &[&Id], page: &mut String) {
    let path = [parents, &[command.get_name()]].concat();
    let depth = "#".repeat((path.len() + 1).min(6));
    // Writing to a string cannot fail.
    let _written = writeln!(page, "\n{depth} {}\n", path.join(" "));
    let about = command.get_long_about().or(command.get_about());
    if let Some(about) = about.map(plain) {
        let _written = writeln!(page, "{about}\n");
    }
    let usage = plain(&command.clone().render_usage());
    let usage = usage.trim_start_matches("Usage: ");
    let _written = writeln!(page, "```text\n{usage}\n```");

    let (positional, flags): (Vec<&Arg>, Vec<&Arg>) = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()))
        .partition(|arg| arg.is_positional());
    table("argument", &positional, false, page);
    let flags: Vec<&Arg> = flags
        .into_iter()
        .filter(|flag| !told.contains(&flag.get_id()))
        .collect();
    table("flag", &flags, true, page);

    if let Some(after) = command.get_after_long_help().or(command.get_after_help()) {
        let _written = writeln!(page, "\n```text\n{}\n```", plain(after));
    }
    let global = flags.iter().filter(|flag| flag.is_global_set());
    let told: Vec<&Id> = told
        .iter()
        .copied()
        .chain(global.map(|flag| flag.get_id()))
        .collect();
    for inner in command.get_subcommands() {
        if !inner.is_hide_set() && inner.get_name() != "help" {
            section(inner, &path, &told, page);
        }
    }
}

fn table(what: &str, arguments: &[&Arg], with_env: bool, page: &mut String) {
    if arguments.is_empty() {
        return;
    }
    let _written = if with_env {
        writeln!(
            page,
            "\n| {what} | environment | default | what |\n|---|---|---|---|"
        )
    } else {
        writeln!(page, "\n| {what} | what |\n|---|---|")
    };
    for arg in arguments {
        let name = code(&arg.to_string());
        let what = describe(arg);
        let _written = if with_env {
            let env = arg
                .get_env()
                .map(|env| code(&env.to_string_lossy()))
                .unwrap_or_default();
            writeln!(page, "| {name} | {env} | {} | {what} |", default(arg))
        } else {
            writeln!(page, "| {name} | {what} |")
        };
    }
}

fn default(arg: &Arg) -> String {
    let values = arg.get_default_values().iter();
    let values: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
    // A switch that is off needs no word.
    if values.is_empty() || !arg.get_action().takes_values() {
        return String::new();
    }
    code(&values.join(","))
}

/// Its help, and the values that it takes where they are few.
fn describe(arg: &Arg) -> String {
    let help = arg.get_long_help().or(arg.get_help());
    let mut text = help.map(plain).unwrap_or_default().replace('\n', " ");
    if arg.get_action().takes_values() {
        let values = arg.get_possible_values();
        let values: Vec<String> = values
            .iter()
            .filter(|value| !value.is_hide_set())
            .map(|value| match value.get_help() {
                Some(help) => format!("{} ({})", code(value.get_name()), plain(help)),
                None => code(value.get_name()),
            })
            .collect();
        if !values.is_empty() {
            let _written = write!(text, ": {}", values.join(", "));
        }
    }
    text.replace('|', "\\|")
}

fn plain(text: &StyledStr) -> String {
    text.to_string().trim().to_owned()
}

fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Arg, ArgAction};

    #[test]
    fn a_page_has_a_section_per_command_and_a_row_per_flag() {
        let command = Command::new("tool").about("Does things").subcommand(
            Command::new("run")
                .about("Runs a|b")
                .arg(Arg::new("file").required(true).value_name("FILE").help("What"))
                .arg(
                    Arg::new("mode")
                        .long("mode")
                        .env("TOOL_MODE")
                        .default_value("a")
                        .value_parser(["a", "b"])
                        .help("How | why"),
                )
                .arg(
                    Arg::new("hidden")
                        .long("hidden")
                        .hide(true)
                        .action(ArgAction::SetTrue),
                ),
        );
        let page = page(command);
        assert!(
            page.contains(
                "\n### tool run\n\nRuns a|b\n\n```text\ntool run [OPTIONS] <FILE>\n```\n\n| argument | what |\n"
            ),
            "{page}"
        );
        assert!(page.contains("| `<FILE>` | What |\n"), "{page}");
        assert!(
            page.contains("| `--mode <mode>` | `TOOL_MODE` | `a` | How \\| why: `a`, `b` |\n"),
            "{page}"
        );
        assert!(!page.contains("hidden"), "{page}");
    }
}
