//! For programs: one JSON object.

use serde::Serialize;

use super::report::{Origin, Report};

#[derive(Serialize)]
struct Output<'a> {
    findings: Vec<Finding<'a>>,
    summary: Summary,
}

#[derive(Serialize)]
struct Finding<'a> {
    severity: &'static str,
    rule: &'a str,
    #[serde(flatten)]
    place: Option<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    message: &'a str,
}

#[derive(Serialize)]
struct Place<'a> {
    file: &'a str,
    line: usize,
    column: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    files: usize,
    objects: usize,
    refused: usize,
    warnings: usize,
    unreadable: usize,
    passed_over: usize,
}

/// The report as JSON.
pub(super) fn render(report: &Report) -> String {
    let findings = report.found.iter().map(|found| {
        let about = found.about.as_ref();
        Finding {
            severity: found.severity.name(),
            rule: found.rule,
            place: match &found.origin {
                Origin::File { file, place } => Some(Place {
                    file,
                    line: place.line,
                    column: place.column,
                }),
                Origin::Cluster => None,
            },
            kind: about.map(|about| about.kind.as_str()),
            name: about.map(|about| about.name.as_str()),
            field: about.map(|about| about.field.as_str()),
            message: &found.message,
        }
    });
    let output = Output {
        findings: findings.collect(),
        summary: Summary {
            files: report.files,
            objects: report.objects,
            refused: report.refused,
            warnings: report.warnings(),
            unreadable: report.unreadable,
            passed_over: report.passed_over,
        },
    };
    // Strings and numbers: nothing here can fail to serialise.
    serde_json::to_string_pretty(&output).unwrap_or_default() + "\n"
}
