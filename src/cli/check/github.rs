//! For GitHub Actions: a workflow command for each finding, which annotates the line in the pull request.

use std::fmt::Write;

use super::report::{Origin, Report};

/// The report as workflow commands.
pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for found in &report.found {
        let title = match &found.about {
            Some(about) => format!("{} {}", found.rule, about.object()),
            None => found.rule.to_owned(),
        };
        let place = match &found.origin {
            Origin::File { file, place } => {
                format!(
                    "file={},line={},col={},",
                    property(file),
                    place.line,
                    place.column
                )
            }
            // Shown with the run, since there is no line to show it at.
            Origin::Cluster => String::new(),
        };
        // Writing to a string cannot fail.
        let _written = writeln!(
            text,
            "::{} {place}title={}::{}",
            found.severity.name(),
            property(&title),
            data(&found.line())
        );
    }
    text
}

/// Escapes a message, as `@actions/core` does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property, in which `:` and `,` mean something too.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_what_would_end_a_command() {
        assert_eq!(data("50%\r\n: a, b"), "50%25%0D%0A: a, b");
        assert_eq!(property("a,b:c%"), "a%2Cb%3Ac%25");
    }
}
