//! `hatchway check`.

use std::fs;

use serde_json::Value;

use super::golden::golden;
use super::{Ran, hatchway, root, run};

fn check(arguments: &[&str]) -> Ran {
    check_text(arguments, b"")
}

/// In the folder of the examples, so that paths in the output are the same everywhere.
fn check_text(arguments: &[&str], stdin: &[u8]) -> Ran {
    let arguments = [&["check"], arguments].concat();
    run(hatchway(&root("tests/golden/check"), &arguments), stdin)
}

const SOURCE_OF_NOBODY: &str = "apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: echo}
spec: {source: nobody}
";

#[test]
fn every_format_says_the_same() {
    for (format, file) in [
        ("human", "human.txt"),
        ("json", "findings.json"),
        ("github", "github.txt"),
    ] {
        let ran = check(&["--state", "state", "configs", "-o", format]);
        assert_eq!((ran.code, ran.stderr.as_str()), (1, ""), "{format}");
        golden(&format!("tests/golden/check/{file}"), &ran.stdout);
    }
}

#[test]
fn sarif_can_be_read_back() {
    let ran = check(&["--state", "state", "configs", "-o", "sarif"]);
    assert_eq!(ran.code, 1);
    let mut log: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(log["version"], "2.1.0");
    let run = &mut log["runs"][0];
    let driver = &mut run["tool"]["driver"];
    assert_eq!(driver["version"], env!("CARGO_PKG_VERSION"));
    driver["version"] = "x".into();
    let rules: Vec<String> = driver["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    for result in run["results"].as_array().unwrap() {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[rule].as_str());
        assert!(["error", "warning"].contains(&result["level"].as_str().unwrap()));
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        let location = &result["locations"][0]["physicalLocation"];
        assert!(
            location["artifactLocation"]["uri"]
                .as_str()
                .unwrap()
                .starts_with("configs/")
        );
        for key in ["startLine", "startColumn"] {
            assert!(location["region"][key].as_u64().unwrap() >= 1);
        }
    }
    golden("tests/golden/check/sarif.json", &format!("{log:#}\n"));
}

#[test]
fn what_is_fine_exits_0_with_its_warnings() {
    let ran = check(&["--state", "state", "configs/a-fine.yaml"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("warning[MC-13]"), "{}", ran.stdout);
    assert!(
        ran.stdout
            .ends_with("checked 3 objects in 1 file: 1 warning (1 object of other kinds passed over)\n"),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_cannot_be_read_exits_2_and_the_rest_is_judged() {
    let ran = check(&["--state", "state", "broken"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stdout
            .starts_with("broken/broken.yaml:10:2: error[unreadable]: "),
        "{}",
        ran.stdout
    );
    assert!(
        ran.stdout
            .ends_with("checked 1 object in 1 file: 1 document could not be read\n"),
        "{}",
        ran.stdout
    );
    let ran = check(&["--state", "state", "nowhere.yaml"]);
    assert_eq!(ran.code, 2);
    assert!(
        ran.stdout
            .starts_with("nowhere.yaml:1:1: error[unreadable]: cannot be read: "),
        "{}",
        ran.stdout
    );
}

#[test]
fn without_a_world_it_says_how_to_name_one() {
    let ran = check(&["configs"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr.starts_with("error: ") && ran.stderr.contains("--state DIR"),
        "{}",
        ran.stderr
    );
    let ran = check(&["--state", "nowhere", "configs"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("nowhere"), "{}", ran.stderr);
}

#[test]
fn without_anything_to_judge_it_says_what_could_be() {
    let ran = check(&["--state", "state"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(
        ran.stderr.contains("name files or folders") && ran.stderr.contains("--cluster"),
        "{}",
        ran.stderr
    );
    let ran = check(&["--state", "state", "--cluster"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""));
    assert!(ran.stderr.contains("cannot be used with"), "{}", ran.stderr);
}

#[test]
fn standard_input_is_a_file() {
    let ran = check_text(&["--state", "state", "-"], SOURCE_OF_NOBODY.as_bytes());
    assert_eq!(ran.code, 1);
    assert!(
        ran.stdout
            .starts_with("<stdin>:4:8: error[MC-2]: ModuleConfig/echo: spec.source: "),
        "{}",
        ran.stdout
    );
}

#[test]
fn what_exists_already_is_judged_as_a_change() {
    // What was wrong before is a warning now: the world has this very object.
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("echo.yaml"), SOURCE_OF_NOBODY).unwrap();
    let changed = SOURCE_OF_NOBODY.replace("{source: nobody}", "{source: nobody, enabled: true}");
    let state = dir.path().to_str().unwrap();
    let ran = check_text(&["--state", state, "-"], changed.as_bytes());
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("warning[MC-2]"), "{}", ran.stdout);
    let ran = check_text(&["--state", state, "-"], SOURCE_OF_NOBODY.as_bytes());
    assert_eq!(
        (ran.code, ran.stdout.as_str()),
        (0, "checked 1 object in 1 file: fine\n")
    );
}

#[test]
fn unknown_and_duplicate_fields_are_as_strict_as_asked() {
    let text = "apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: echo}
spec:
  enabeld: true
  enabled: true
  enabled: false
";
    for (strictness, code, errors, warnings) in [("strict", 1, 2, 0), ("warn", 0, 0, 2), ("ignore", 0, 0, 0)]
    {
        let ran = check_text(
            &["--state", "state", "--validate", strictness, "-"],
            text.as_bytes(),
        );
        assert_eq!(ran.code, code, "{strictness}: {}", ran.stdout);
        assert_eq!(
            ran.stdout.matches("error[AD-4]").count(),
            errors,
            "{}",
            ran.stdout
        );
        assert_eq!(
            ran.stdout.matches("warning[AD-4]").count(),
            warnings,
            "{}",
            ran.stdout
        );
    }
}

#[test]
fn a_trusted_user_may_write_what_people_may_not() {
    let text = "apiVersion: deckhouse.io/v1alpha1
kind: Module
metadata: {name: hotel}
properties: {}
";
    let ran = check_text(&["--state", "state", "-"], text.as_bytes());
    assert_eq!(ran.code, 1);
    let ran = check_text(
        &["--state", "state", "--trusted-user", "robot", "-"],
        text.as_bytes(),
    );
    assert_eq!(ran.code, 0, "{}", ran.stdout);
}

#[test]
fn a_file_named_twice_is_read_once() {
    let ran = check(&["--state", "state", "configs/a-fine.yaml", "configs/a-fine.yaml"]);
    assert!(ran.stdout.contains("3 objects in 1 file"), "{}", ran.stdout);
}

#[test]
fn colours_are_for_terminals() {
    let arguments = ["check", "--state", "state", "configs"];
    let folder = root("tests/golden/check");
    let plain = run(hatchway(&folder, &arguments), b"");
    assert!(!plain.stdout.contains('\x1b'));
    let mut forced = hatchway(&folder, &arguments);
    forced.env("CLICOLOR_FORCE", "1");
    assert!(run(forced, b"").stdout.contains("\x1b[1m"));
    let mut refused = hatchway(&folder, &arguments);
    refused.env("NO_COLOR", "1").env("TERM", "xterm");
    assert_eq!(run(refused, b"").stdout, plain.stdout);
}
