//! For people: a line for each finding, as compilers print them, and a summary.

use std::fmt::Write;

use anstyle::{AnsiColor, Style};

use super::report::{About, Origin, Report, Severity, Subject};

const PLACE: Style = Style::new().bold();
const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();

/// The report with colours, which whoever prints takes out where they are not wanted.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for found in &report.found {
        let style = match found.severity {
            Severity::Error => ERROR,
            Severity::Warning => WARNING,
        };
        let about = found.about.as_ref().map(About::object).unwrap_or_default();
        // An object of a cluster is its own place.
        let (place, about) = match &found.origin {
            Origin::File { file, place } if about.is_empty() => (format!("{file}:{place}"), about),
            Origin::File { file, place } => (format!("{file}:{place}"), format!("{about}: ")),
            Origin::Cluster => (about, String::new()),
        };
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "{PLACE}{place}{PLACE:#}: {style}{}[{}]{style:#}: {about}{}",
            found.severity.name(),
            found.rule,
            found.line()
        );
    }
    text.push_str(&summary(report));
    text
}

fn summary(report: &Report) -> String {
    let mut parts = Vec::new();
    let (refused, unreadable, files) = match report.subject {
        Subject::Files => (
            "refused",
            format!("{} could not be read", count(report.unreadable, "document")),
            count(report.files, "file"),
        ),
        Subject::Cluster => (
            "would be refused if made now",
            format!("{} could not be judged", count(report.unreadable, "object")),
            "the cluster".to_owned(),
        ),
    };
    if report.refused > 0 {
        parts.push(format!("{ERROR}{} {refused}{ERROR:#}", report.refused));
    }
    if report.unreadable > 0 {
        parts.push(format!("{ERROR}{unreadable}{ERROR:#}"));
    }
    if report.warnings() > 0 {
        parts.push(format!(
            "{WARNING}{}{WARNING:#}",
            count(report.warnings(), "warning")
        ));
    }
    if parts.is_empty() {
        parts.push(format!("{GOOD}fine{GOOD:#}"));
    }
    let passed_over = match report.passed_over {
        0 => String::new(),
        n => format!(" ({} of other kinds passed over)", count(n, "object")),
    };
    format!(
        "checked {} in {files}: {}{passed_over}\n",
        count(report.objects, "object"),
        parts.join(", ")
    )
}

fn count(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
