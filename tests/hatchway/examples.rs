//! The example world and its reviews: what is documented is what comes out. The reviews' README is a table made from
//! `expected.yaml`, which tests through curl and the command line read too.

use super::cases::{answer, print};
use crate::support::reviewer::Reviewer;
use hatchway::documents;
use hatchway::rules::{User, admit};
use hatchway::webhook;
use hatchway::world::{Object, World};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    file: String,
    path: String,
    rule: String,
    about: String,
    #[serde(default)]
    verdict: Value,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/examples")
}

fn examples() -> Vec<Example> {
    let text = std::fs::read_to_string(folder().join("reviews/expected.yaml")).unwrap();
    let mut expected: Value = serde_saphyr::from_str(&text).unwrap();
    serde_json::from_value(expected["reviews"].take()).unwrap()
}

/// The world as `serve --standalone` makes it: every object passes the rules, as a trusted user.
fn world() -> World {
    let files = documents::folder(&folder()).unwrap();
    let readings: Vec<_> = files.iter().map(|file| documents::read(file)).collect();
    assert!(readings.iter().all(|reading| reading.problems.is_empty()));
    let documents = readings.into_iter().flat_map(|reading| reading.documents);
    let mut objects: Vec<_> = documents
        .filter_map(|document| Some((admit::identify(&document.value).ok()?.0, document.value.clone())))
        .collect();
    objects.sort_by_key(|(kind, _)| *kind);
    let mut world = World::new();
    for (_, object) in objects {
        let user = User {
            name: "",
            trusted: true,
        };
        let admitted = admit::admit(object, None, user, &world, Timestamp::now()).unwrap();
        assert_eq!(admitted.verdict.refusals, []);
        assert_eq!(admitted.verdict.warnings, []);
        world.insert(Object::from_value(admitted.object).unwrap());
    }
    world
}

#[test]
fn every_example_review_gets_its_documented_verdict() {
    let reviewer = Reviewer::new(world());
    let mut examples = examples();
    let update = std::env::var_os("UPDATE_CASES").is_some();
    for example in &mut examples {
        let path = webhook::Path::ALL
            .into_iter()
            .find(|path| path.label() == example.path)
            .unwrap();
        let body = std::fs::read(folder().join("reviews").join(&example.file)).unwrap();
        let found = answer::decoded(&reviewer.answer(path, &body));
        if update {
            example.verdict = found;
        } else {
            assert_eq!(example.verdict, found, "{}", example.file);
        }
    }
    let readme = folder().join("reviews/README.md");
    if update {
        let expected = folder().join("reviews/expected.yaml");
        let text = std::fs::read_to_string(&expected).unwrap();
        let head = text.split("reviews:\n").next().unwrap();
        std::fs::write(&expected, format!("{head}reviews:\n{}", list(&examples))).unwrap();
        std::fs::write(&readme, table(&examples)).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&readme).unwrap(), table(&examples));
}

#[test]
fn every_example_review_is_listed() {
    let listed: BTreeSet<String> = examples().into_iter().map(|example| example.file).collect();
    let entries = std::fs::read_dir(folder().join("reviews")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let found: BTreeSet<String> = names
        .filter(|name| name.strip_suffix(".json").is_some())
        .collect();
    assert_eq!(listed, found);
}

/// `check` makes a CREATE or an UPDATE of an object by whether the world has it, so the reviews must agree with it.
#[test]
fn every_example_review_agrees_with_the_world() {
    let world = world();
    for example in examples()
        .into_iter()
        .filter(|example| example.path == "validate")
    {
        let text = std::fs::read(folder().join("reviews").join(&example.file)).unwrap();
        let review: Value = serde_json::from_slice(&text).unwrap();
        let request = &review["request"];
        let (kind, _, name) = admit::identify(match &request["object"] {
            Value::Null => &request["oldObject"],
            object => object,
        })
        .unwrap();
        let known = world.object(kind, name).map(|object| object.to_value());
        assert_eq!(
            request["operation"] == "CREATE",
            known.is_none(),
            "{}",
            example.file
        );
        if let Some(known) = known {
            assert_eq!(request["oldObject"]["spec"], known["spec"], "{}", example.file);
        }
    }
}

fn list(examples: &[Example]) -> String {
    let mut text = String::new();
    for Example {
        file,
        path,
        rule,
        about,
        verdict,
    } in examples
    {
        writeln!(
            text,
            "- file: {file}\n  path: {path}\n  rule: {rule}\n  about: {about}\n  verdict:"
        )
        .unwrap();
        text.push_str(&print::yaml(verdict, 4));
    }
    text
}

fn table(examples: &[Example]) -> String {
    let mut text = "# Reviews to try\n\n\
        Each file is a review as an API server sends it; `make run` prints a curl line for each. Against the world one folder\n\
        up they get the verdicts below, which [expected.yaml](expected.yaml) holds in full. The table is made from it by\n\
        `UPDATE_CASES=1 cargo test --test hatchway examples`.\n\n\
        | Review | Path | Rule | About | Verdict |\n|---|---|---|---|---|\n"
        .to_owned();
    for Example {
        file,
        path,
        rule,
        about,
        verdict,
    } in examples
    {
        let verdict = in_short(verdict).replace('|', "\\|");
        writeln!(
            text,
            "| [{file}]({file}) | `/{path}` | {rule} | {about} | {verdict} |"
        )
        .unwrap();
    }
    text
}

/// A verdict in a cell.
fn in_short(verdict: &Value) -> String {
    let code = |text: &str| {
        if text.contains('`') {
            format!("``{text}``")
        } else {
            format!("`{text}`")
        }
    };
    if let Some(patch) = verdict.get("patch") {
        return format!("patched: {}", code(&patch.to_string()));
    }
    if let Some(objects) = verdict.get("convertedObjects") {
        let annotations = objects
            .as_array()
            .unwrap()
            .iter()
            .map(|object| &object["metadata"]["annotations"]);
        return format!(
            "converted, with {}",
            code(&json!(annotations.collect::<Vec<_>>()).to_string())
        );
    }
    let mut said = Vec::new();
    for cause in verdict["status"]["details"]["causes"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let (field, message) = (
            cause["field"].as_str().unwrap(),
            cause["message"].as_str().unwrap(),
        );
        said.push(code(&format!("{field}: {message}")));
    }
    let word = match &verdict["status"]["code"] {
        Value::Null => "allowed".to_owned(),
        code => format!("refused ({code})"),
    };
    let warnings = verdict["warnings"].as_array().into_iter().flatten();
    said.extend(warnings.map(|warning| format!("warning {}", code(warning.as_str().unwrap()))));
    if said.is_empty() {
        word
    } else {
        format!("{word}: {}", said.join("<br>"))
    }
}
