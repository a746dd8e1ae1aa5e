//! The documentation names what there is: every rule, metric and flag has its place, and every link leads somewhere.

use super::cases::RULES;
use hatchway::telemetry::METRICS;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).unwrap()
}

/// The pages at the top and below docs.
fn pages() -> Vec<PathBuf> {
    let folders =
        [".", "docs", "docs/reference", "manifests/examples/reviews"].map(|folder| root().join(folder));
    let entries = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let files = entries.map(|entry| entry.unwrap().path());
    files
        .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
        .collect()
}

#[test]
fn every_rule_is_explained() {
    let text = page("docs/rules.md") + &page("docs/admission.md");
    // A row of a table, or a heading or sentence about it.
    let is_explained = |rule: &str| {
        ["| {} |", "({})", "({},", ", {})"]
            .iter()
            .any(|form| text.contains(&form.replace("{}", rule)))
    };
    let missing: Vec<_> = RULES.iter().filter(|rule| !is_explained(rule)).collect();
    assert!(missing.is_empty(), "docs/rules.md says nothing of {missing:?}");
}

#[test]
fn every_metric_and_every_flag_of_serve_is_explained() {
    let text = page("docs/serving.md") + &page("docs/operations.md");
    let metrics = METRICS.iter().map(|metric| metric.name.to_owned());
    let reference = page("docs/reference/cli.md");
    let serve = reference.split("### hatchway serve").nth(1).unwrap();
    let serve = serve.split("\n### ").next().unwrap();
    let flags: Vec<String> = serve
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .map(|line| line.split([' ', '`']).next().unwrap().to_owned())
        .collect();
    assert!(flags.len() > 15, "{flags:?}");
    let names = metrics.chain(flags);
    let missing: Vec<_> = names.filter(|name| !text.contains(&format!("`{name}"))).collect();
    assert!(
        missing.is_empty(),
        "docs/serving.md and docs/operations.md say nothing of {missing:?}"
    );
}

#[test]
fn every_alert_asks_for_a_metric_that_there_is_and_is_explained() {
    let rules = page("manifests/monitoring/prometheus-rule.yaml");
    let read = hatchway::documents::parse("rules", rules.as_bytes());
    assert!(read.problems.is_empty(), "{:?}", read.problems);
    let rules = read.documents[0].value["spec"]["groups"][0]["rules"].clone();
    let rules = rules.as_array().unwrap();
    assert!(rules.len() > 10, "{rules:?}");
    let text = page("docs/operations.md");
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        assert!(
            text.contains(&format!("| {name} |")),
            "docs/operations.md says nothing of {name}"
        );
        let expression = rule["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let metrics: Vec<_> = words.filter(|word| word.starts_with("hatchway_")).collect();
        assert!(
            !metrics.is_empty() || expression.contains("up{"),
            "{name} asks for nothing: {expression}"
        );
        for metric in metrics {
            assert!(
                METRICS.iter().any(|known| known.name == metric),
                "{name}: no metric {metric}"
            );
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().unwrap();
            if link.starts_with("http") {
                continue;
            }
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap().join(file)
            };
            let is_there = target.exists()
                && (heading.is_empty()
                    || headings(&std::fs::read_to_string(&target).unwrap()).contains(&heading.to_owned()));
            if !is_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The anchors that headings get.
fn headings(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let line = line.trim_start_matches('#').trim().to_lowercase();
        line.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    lines.map(anchor).collect()
}
