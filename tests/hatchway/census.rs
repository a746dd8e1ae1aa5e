//! What is wrong in a world as it stands: worlds as data (`tests/census.yaml`), and the count of a running server.
//!
//! ```yaml
//! - name: names what is gone                     # a sentence
//!   world:                                       # as in tests/cases
//!   - {kind: ModuleConfig, name: echo, spec: {source: gone}}
//!   refused: ["ModuleConfig/echo MC-2 spec.source: …"]
//!   warned: []
//! ```

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};

use hatchway::conversion::{Converter, ConverterOptions, Event};
use hatchway::review::{Census, Settler, Standing};
use hatchway::world::{Shared, World};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cases::case::world;
use crate::support::Hatchway;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    world: Vec<Value>,
    #[serde(default)]
    refused: Vec<String>,
    #[serde(default)]
    warned: Vec<String>,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

/// One that converts with `program`, and what it did.
fn census(program: &str) -> (Census, Arc<Mutex<Vec<Event>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let options = ConverterOptions {
        program: PathBuf::from(program),
        ..ConverterOptions::default()
    };
    let converter = Converter::new(options, {
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push(event.clone())
    });
    let settler = Settler::new(converter, RUNTIME.handle().clone());
    (Census::new(settler), events)
}

/// Everything that is said of a world.
fn take(census: &mut Census, world: World) -> Vec<Standing> {
    let mut all = Vec::new();
    let now: Timestamp = "2026-07-01T00:00:00Z".parse().unwrap();
    let taken = census.take(&Shared::new(world), now, |standing| {
        all.push(standing);
        ControlFlow::Continue(())
    });
    assert!(taken.is_continue());
    all
}

/// Refusals and warnings, a line each.
fn lines(all: &[Standing]) -> (Vec<String>, Vec<String>) {
    let (mut refused, mut warned) = (Vec::new(), Vec::new());
    for standing in all {
        match standing {
            Standing::Judged {
                kind,
                name,
                refusals,
                warnings,
                settled,
            } => {
                assert!(settled, "{kind}/{name}");
                for (findings, lines) in [(refusals, &mut refused), (warnings, &mut warned)] {
                    lines.extend(findings.iter().map(|finding| {
                        format!(
                            "{kind}/{name} {} {}: {}",
                            finding.rule, finding.field, finding.message
                        )
                    }));
                }
            }
            Standing::Unreadable { kind, name, why } => refused.push(format!("{kind}/{name} {why}")),
        }
    }
    (refused, warned)
}

#[test]
fn worlds_hold_what_their_cases_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/census.yaml");
    let cases: Vec<Case> = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let mut names = BTreeSet::new();
    let mut failures = Vec::new();
    for case in cases {
        let (mut census, _) = census(env!("CARGO_BIN_EXE_hatchway"));
        let (refused, warned) = lines(&take(&mut census, world(&case.world)));
        if (&refused, &warned) != (&case.refused, &case.warned) {
            let listed = |lines: &[String]| -> String {
                let lines = lines.iter().map(|line| format!("  - {}\n", json!(line)));
                lines.collect()
            };
            failures.push(format!(
                "- name: {}\n  refused:\n{}  warned:\n{}",
                case.name,
                listed(&refused),
                listed(&warned)
            ));
        }
        assert!(
            names.insert(case.name.clone()),
            "two cases are named '{}'",
            case.name
        );
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A config whose settings have to be converted.
fn converted(to: &str) -> World {
    world(&[
        json!({"kind": "Module", "name": "echo", "properties": {"availableSources": ["example"]}}),
        json!({
            "kind": "ModuleSettingsDefinition", "name": "echo",
            "spec": {"versions": [{"name": "1"}, {
                "name": "2",
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"mode": {"type": "string", "enum": ["fast"]}}}},
                "conversions": [{"expr": [format!(".mode = \"{to}\"")]}],
            }]},
        }),
        json!({"kind": "ModuleConfig", "name": "echo", "spec": {"enabled": true, "version": 1, "settings": {"mode": "a"}}}),
    ])
}

#[test]
fn settings_are_judged_again_only_when_they_or_their_definition_changed() {
    let (mut census, events) = census(env!("CARGO_BIN_EXE_hatchway"));
    let first = take(&mut census, converted("slow"));
    assert_eq!(lines(&first).0.len(), 1, "{first:?}");
    assert_eq!(take(&mut census, converted("slow")), first);
    assert_eq!(events.lock().unwrap().len(), 1);
    let mended = take(&mut census, converted("fast"));
    assert_eq!(lines(&mended).0, [] as [&str; 0]);
    assert_eq!(events.lock().unwrap().len(), 2);
}

#[test]
fn settings_that_cannot_be_judged_just_now_are_not_called_wrong() {
    let (mut census, events) = census("/nonexistent/hatchway");
    for _ in 0..2 {
        let all = take(&mut census, converted("slow"));
        let unsettled: Vec<_> = all
            .iter()
            .filter(|standing| matches!(standing, Standing::Judged { settled: false, refusals, .. } if refusals.is_empty()))
            .collect();
        assert_eq!(unsettled.len(), 1, "{all:?}");
    }
    assert_eq!(
        *events.lock().unwrap(),
        [Event::ProcessFailed, Event::ProcessFailed]
    );
}

#[test]
fn a_census_ends_when_it_is_told_to() {
    let (mut census, _) = census(env!("CARGO_BIN_EXE_hatchway"));
    let mut seen = 0;
    let taken = census.take(&Shared::new(converted("fast")), Timestamp::UNIX_EPOCH, |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert!(taken.is_break());
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_server_counts_what_stands_wrong_by_kind_and_rule() {
    const FILE: &str = r"
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: global}
spec: {source: gone, updatePolicy: gone}
---
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: deckhouse}
spec: {source: gone}
---
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata: {name: fine}
spec: {}
";
    // Objects as they would have come in while nobody judged.
    let server = Hatchway::start_on(&[("objects.yaml", FILE)], &["--enforce", "warn"]);
    let series = |rule: &str| format!("hatchway_invalid_objects{{kind=\"ModuleConfig\",rule=\"{rule}\"}}");
    server.metric_reaches(&series("MC-2"), 2.0).await;
    server.metric_reaches(&series("MC-4"), 1.0).await;
    let (_, text) = server.get("/metrics").await;
    let count = text
        .lines()
        .filter(|line| line.starts_with("hatchway_invalid_objects{"))
        .count();
    assert_eq!(count, 2, "{text}");
    let told = server.log_says("refused if they were made now", 1).await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("ModuleConfig MC-2: 2, ModuleConfig MC-4: 1"),
        "{told:?}"
    );
}
