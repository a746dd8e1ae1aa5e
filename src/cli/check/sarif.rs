//! For code scanners: SARIF 2.1.0 (OASIS), its required parts and what viewers show.

use std::fmt::Write;

use serde_json::{Value, json};

use super::report::{About, Found, Origin, Report};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// The report as a SARIF log with one run.
pub(super) fn render(report: &Report) -> String {
    let mut rules: Vec<&str> = report.found.iter().map(|found| found.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    let results: Vec<Value> = report.found.iter().map(|found| result(found, &rules)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "hatchway",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": report.unreadable == 0,
                "exitCode": report.exit_code(),
            }],
            "results": results,
        }],
    });
    format!("{log:#}\n")
}

fn result(found: &Found, rules: &[&str]) -> Value {
    let mut location = json!({});
    // An object of a cluster stands in no artifact: its logical location is all there is.
    if let Origin::File { file, place } = &found.origin {
        location["physicalLocation"] = json!({
            "artifactLocation": {"uri": uri(file)},
            "region": {"startLine": place.line, "startColumn": place.column},
        });
    }
    if let Some(about) = &found.about {
        location["logicalLocations"] = json!([logical(about)]);
    }
    json!({
        "ruleId": found.rule,
        "ruleIndex": rules.iter().position(|rule| *rule == found.rule),
        "level": found.severity.name(),
        "message": {"text": found.line()},
        "locations": [location],
    })
}

/// The object's field, or the object where it is about no field.
fn logical(about: &About) -> Value {
    if about.field.is_empty() {
        json!({"name": about.name, "fullyQualifiedName": about.object(), "kind": "object"})
    } else {
        let name = format!("{}/{}", about.object(), about.field);
        json!({"name": about.field, "fullyQualifiedName": name, "kind": "member"})
    }
}

/// A path as a URI reference: relative to where the command ran, or a `file` URI.
fn uri(path: &str) -> String {
    let mut text = String::from(if path.starts_with('/') { "file://" } else { "" });
    for byte in path.trim_start_matches("./").bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _written = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a/b c.yaml"), "a/b%20c.yaml");
        assert_eq!(uri("/srv/a:b.yaml"), "file:///srv/a%3Ab.yaml");
        assert_eq!(uri("<stdin>"), "%3Cstdin%3E");
        assert_eq!(uri("ы"), "%D1%8B");
    }
}
