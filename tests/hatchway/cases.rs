//! Rules as data: every file of `tests/cases` is a list of cases, a case being a world, a review and the whole verdict.
//!
//! ```yaml
//! - name: refuses a source that does not exist      # a sentence
//!   rules: [MC-2, AD-2]                             # the rules that speak in it
//!   silent: [MC-1]                                  # rules for which this is the case in which they are silent
//!   world:                                          # short for whole objects: `name`, `labels` and the like are metadata
//!   - {kind: ModuleSource, name: example, spec: {registry: {repo: registry.example.com/modules}}}
//!   review: {kind: ModuleConfig, name: echo, object: {spec: {source: exampel}}}
//!   verdict: …
//! ```
//! What a review may say is in [`case::Ask`]. Every rule that a verdict's audit annotation names must stand in `rules`.
//!
//! `UPDATE_CASES=1 cargo test --test hatchway cases` writes the verdicts as they are now into the files, and leaves
//! the rest of them alone. Then read the diff against the rules, word by word: a verdict that was not read is not a test.

pub(crate) mod answer;
pub(crate) mod case;
pub(crate) mod files;
mod pem;
pub(crate) mod print;

use case::Case;
use regex::Regex;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rules that the cases must hold, each with one case in which it speaks and one in which it is silent.
pub(crate) const RULES: &[&str] = &[
    "AD-1", "AD-2", "AD-3", "AD-4", "AD-6", "AD-7", "AD-8", "MC-1", "MC-2", "MC-3", "MC-4", "MC-5", "MC-6",
    "MC-7", "MC-8", "MC-9", "MC-10", "MC-11", "MC-12", "MC-13", "MC-14", "MPO-1", "MPO-2", "MPO-3", "MPO-4",
    "MPO-5", "MUP-1", "MUP-2", "MUP-3", "MUP-4", "MS-1", "MS-2", "MS-3", "MS-4", "MS-5", "MS-6", "MS-7",
    "MS-8", "MR-1", "MR-2", "MR-3", "MR-4", "MOD-1", "MUT-1", "MUT-2", "CV-1", "POL-1", "SV-6",
];

macro_rules! files {
    ($($file:ident),* $(,)?) => {
        const FILES: &[&str] = &[$(stringify!($file)),*];

        $(
            #[test]
            fn $file() {
                run(stringify!($file));
            }
        )*
    };
}

files! {
    convert, enforcement, envelope, module, module_config, module_pull_override, module_release, module_source,
    module_update_policy, mutate, schema, settings_conversions, settings_defaults, settings_rules, settings_schema,
    settings_scope, settings_secrets, settings_versions, unchanged, warnings,
}

fn run(file: &str) {
    let cases = files::read(file);
    let found: Vec<_> = cases.iter().map(|case| (case, case.answer())).collect();
    if std::env::var_os("UPDATE_CASES").is_some() {
        files::write(
            file,
            &found
                .iter()
                .map(|(_, verdict)| print::yaml(verdict, 4))
                .collect::<Vec<_>>(),
        );
        return;
    }
    let mut failures = Vec::new();
    for (case, verdict) in &found {
        if case.verdict != *verdict {
            failures.push(format!("{}\n{}", case.name, print::diff(&case.verdict, verdict)));
        }
        failures.extend(
            undeclared(case).map(|rule| format!("{}\n  {rule} spoke, but is not in its rules", case.name)),
        );
    }
    assert!(failures.is_empty(), "{file}.yaml:\n{}", failures.join("\n"));
}

/// Rules that the verdict names and the case does not, or names as silent.
fn undeclared(case: &Case) -> impl Iterator<Item = &str> {
    let named = case.verdict["auditAnnotations"]["hatchway.rules"]
        .as_str()
        .unwrap_or_default();
    named
        .split(',')
        .filter(|rule| !rule.is_empty())
        .filter(|rule| !case.rules.iter().any(|own| own == rule) || case.silent.iter().any(|own| own == rule))
}

#[test]
fn every_rule_that_a_review_can_name_can_be_told_to_warn_only() {
    // Read from the sources: a number that stands there is in a finding, or is one of these.
    const NO_FINDINGS: [&str; 2] = ["AD-8", "MUT-1"];
    let number = Regex::new(r#""([A-Z]{2,3}-[0-9]+)""#).unwrap();
    let mut named = BTreeSet::new();
    for room in ["rules", "review"] {
        for file in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)).unwrap() {
            let file = file.unwrap().path();
            if file.is_dir() || file.ends_with("numbers.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            named.extend(number.captures_iter(code).map(|found| found[1].to_owned()));
        }
    }
    named.retain(|rule| !NO_FINDINGS.contains(&rule.as_str()));
    let known: BTreeSet<String> = hatchway::rules::RULES
        .iter()
        .map(|rule| (*rule).to_owned())
        .collect();
    assert_eq!(named, known, "left: the sources, right: src/rules/numbers.rs");
}

#[test]
fn every_file_is_run() {
    let listed: BTreeSet<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
    assert_eq!(files::all(), listed);
}

#[test]
fn every_rule_speaks_in_one_case_and_is_silent_in_another() {
    let mut speaking: BTreeMap<String, usize> = BTreeMap::new();
    let mut silent = speaking.clone();
    let mut names = BTreeSet::new();
    for case in FILES.iter().flat_map(|file| files::read(file)) {
        assert!(
            names.insert(case.name.clone()),
            "two cases are named '{}'",
            case.name
        );
        case.rules
            .iter()
            .for_each(|rule| *speaking.entry(rule.clone()).or_default() += 1);
        case.silent
            .iter()
            .for_each(|rule| *silent.entry(rule.clone()).or_default() += 1);
    }
    let unknown: Vec<&String> = speaking
        .keys()
        .chain(silent.keys())
        .filter(|rule| !RULES.contains(&rule.as_str()))
        .collect();
    assert!(unknown.is_empty(), "unknown rules: {unknown:?}");
    let lacking = |cases: &BTreeMap<String, usize>| {
        RULES
            .iter()
            .filter(|rule| !cases.contains_key(**rule))
            .collect::<Vec<_>>()
    };
    assert!(
        lacking(&speaking).is_empty(),
        "no case in which they speak: {:?}",
        lacking(&speaking)
    );
    assert!(
        lacking(&silent).is_empty(),
        "no case in which they are silent: {:?}",
        lacking(&silent)
    );
}
