//! What kubectl prints, as data: every file of `tests/kubectl` is a world and a list of commands, each with its input,
//! its exit code and its words.
//!
//! `UPDATE_CASES=1 cargo test --test hatchway e2e::kubectl` writes what is printed now into the files; then the diff is
//! read against the rules, word by word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;
use serde_json::{Value, json};

use super::installation::{ACCOUNT, Installation};
use crate::cases::case::whole;
use crate::cases::{RULES, files, print};
use crate::support::control_plane::{Answer, ControlPlane};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    world: Vec<Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    rules: Vec<String>,
    /// The arguments of kubectl, without spaces in them.
    #[serde(default = "apply")]
    run: String,
    /// An object in short, for its standard input.
    input: Option<Value>,
    #[serde(default)]
    verdict: Value,
}

fn apply() -> String {
    "apply -f -".to_owned()
}

/// Rules that nobody meets through kubectl, and why.
const UNSEEN: &[(&str, &str)] = &[
    ("AD-1", "an API server sends no request that is not well-formed"),
    ("AD-6", "a deadline is met by answering in time"),
    (
        "AD-7",
        "audit annotations are in the audit log, see `decisions_are_in_the_audit_log`",
    ),
    ("SV-6", "it is a way to serve, see `cluster/enforcement.rs`"),
];

#[test]
fn each_rule_speaks_through_kubectl_in_its_words() {
    let installation = Installation::start(1);
    let file = read("rules");
    installation.make_world(&file.world.iter().map(whole).collect::<Vec<_>>());
    installation.replicas[0].until("the world is known", || {
        let answer = installation.plane.kubectl_with(
            &["create", "--dry-run=server", "-f", "-"],
            &whole(&json!({"kind": "ModuleConfig", "name": "settled", "spec": {"version": 9, "settings": {"a": 1}}})).to_string(),
        );
        answer.stderr.contains("Use latest version 2").then_some(())
    });
    check("rules", &file, |case| {
        let dry = case
            .with_dry_run()
            .map(|arguments| installation.run(case, &arguments));
        let answer = installation.run(case, &case.arguments());
        if let Some(dry) = dry {
            let verdict = |answer| said(answer)["stderr"].take();
            assert_eq!(
                (dry.code, verdict(&dry)),
                (answer.code, verdict(&answer)),
                "{}: another verdict with --dry-run=server",
                case.name
            );
        }
        said(&answer)
    });

    decisions_are_in_the_audit_log(&installation);
}

/// Rule AD-7.
fn decisions_are_in_the_audit_log(installation: &Installation) {
    let found = installation.plane.audit().into_iter().any(|event| {
        let annotations = event["annotations"].as_object().cloned().unwrap_or_default();
        let says = |end: &str, value: &str| {
            annotations.iter().any(|(key, said)| {
                key.ends_with(end) && said.as_str().is_some_and(|said| said.contains(value))
            })
        };
        says("hatchway.decision", "refused") && says("hatchway.rules", "MC-3")
    });
    assert!(found, "no request is annotated with the decision and its rules");
}

#[test]
fn kubectl_prints_the_columns_of_every_kind() {
    static AGE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b(\d+[ydhms])+\b").unwrap());
    static GAP: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" {3,}").unwrap());
    static END: LazyLock<Regex> = LazyLock::new(|| Regex::new(r" +\n").unwrap());
    // Nobody serves: what is printed comes from the definitions alone, but for the versions.
    let installation = Installation::start(1);
    let file = read("printed");
    installation.make_world(&file.world.iter().map(whole).collect::<Vec<_>>());
    check("printed", &file, |case| {
        let mut answer = installation.run(case, &case.arguments());
        let aged = AGE.replace_all(&answer.stdout, "AGE");
        let narrow = GAP.replace_all(&aged, "   ");
        answer.stdout = END.replace_all(&narrow, "\n").into_owned();
        said(&answer)
    });
}

#[test]
fn the_api_server_refuses_and_defaults_by_itself_while_the_webhook_is_down() {
    static CAUSE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r#"Post "https://[^"]+": [^\n]+"#).unwrap());
    let installation = Installation::prepare(ControlPlane::start());
    let own = |input: Value, arguments: &[&str]| {
        let mut all = vec![
            "create",
            "--as",
            ACCOUNT,
            "--as-group",
            "system:masters",
            "-f",
            "-",
        ];
        all.extend(arguments);
        installation.plane.kubectl_with(&all, &whole(&input).to_string())
    };
    // Whom the webhooks leave out is all that can still write.
    let source = json!({"kind": "ModuleSource", "name": "there", "spec": {"registry": {"repo": "registry.example.com/there"}}});
    assert_eq!(own(source, &[]).code, 0);
    check("unserved", &read("unserved"), |case| {
        let mut answer = installation.run(case, &case.arguments());
        answer.stderr = CAUSE.replace_all(&answer.stderr, "CAUSE").into_owned();
        said(&answer)
    });

    let defaulted = [
        (
            json!({"kind": "ModulePullOverride", "name": "echo", "spec": {"imageTag": "main"}}),
            r#"{"imageTag":"main","rollback":false,"scanInterval":"15s"}"#,
        ),
        (
            json!({"kind": "ModuleUpdatePolicy", "name": "bare", "spec": {}}),
            r#"{"releaseChannel":"Stable","update":{"mode":"Auto"}}"#,
        ),
        (
            json!({"kind": "ModuleSource", "name": "bare", "spec": {"registry": {"repo": "registry.example.com/bare"}}}),
            r#"{"registry":{"repo":"registry.example.com/bare","scheme":"HTTPS"},"scanInterval":"3m"}"#,
        ),
    ];
    for (object, spec) in defaulted {
        let made = own(object, &["-o", "jsonpath={.spec}"]);
        assert_eq!((made.stdout.as_str(), made.stderr.as_str()), (spec, ""));
    }
}

#[test]
fn every_rule_and_every_file_is_in_the_table() {
    let files = files::names(&folder());
    assert_eq!(files, ["printed", "rules", "unserved"].map(str::to_owned).into());
    let cases = read("rules").cases;
    let spoken: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| &case.rules)
        .map(String::as_str)
        .collect();
    let lacking: Vec<_> = RULES
        .iter()
        .filter(|rule| !spoken.contains(**rule) && !UNSEEN.iter().any(|(unseen, _)| unseen == *rule))
        .collect();
    assert!(lacking.is_empty(), "no case for {lacking:?}");
}

impl Case {
    fn arguments(&self) -> Vec<&str> {
        self.run.split(' ').collect()
    }

    /// The same without an effect, for commands that write.
    fn with_dry_run(&self) -> Option<Vec<&str>> {
        let mut arguments = self.arguments();
        (arguments[0] != "get").then(|| {
            arguments.push("--dry-run=server");
            arguments
        })
    }
}

impl Installation {
    fn run(&self, case: &Case, arguments: &[&str]) -> Answer {
        let input = case.input.as_ref().map(|input| whole(input).to_string());
        self.plane.kubectl_with(arguments, &input.unwrap_or_default())
    }
}

/// Runs all cases and compares what was said with what is written, or writes it.
fn check(name: &str, file: &File, mut run: impl FnMut(&Case) -> Value) {
    let found: Vec<Value> = file.cases.iter().map(&mut run).collect();
    if std::env::var_os("UPDATE_CASES").is_some() {
        let verdicts: Vec<_> = found.iter().map(|verdict| print::yaml(verdict, 4)).collect();
        files::write_into(&path(name), &verdicts);
        return;
    }
    let differences: Vec<_> = file
        .cases
        .iter()
        .zip(&found)
        .filter(|(case, found)| case.verdict != **found)
        .map(|(case, found)| format!("{}\n{}", case.name, print::diff(&case.verdict, found)))
        .collect();
    assert!(differences.is_empty(), "{name}.yaml:\n{}", differences.join("\n"));
}

/// What was printed, line by line, without what is empty.
fn said(answer: &Answer) -> Value {
    let mut said = json!({"exit": answer.code});
    for (name, text) in [("stderr", &answer.stderr), ("stdout", &answer.stdout)] {
        let mut lines: Vec<_> = text.lines().collect();
        // The API server comes upon the fields of an object in any order.
        if let Some(first) = lines.iter().position(|line| line.starts_with("* ")) {
            let causes = lines[first..]
                .iter()
                .take_while(|line| line.starts_with("* "))
                .count();
            lines[first..first + causes].sort_unstable();
        }
        if !lines.is_empty() {
            said[name] = lines.into();
        }
    }
    said
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl")
}

fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.yaml"))
}

fn read(name: &str) -> File {
    let text = std::fs::read_to_string(path(name)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}.yaml: {error}"))
}
