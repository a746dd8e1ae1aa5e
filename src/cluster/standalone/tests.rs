//! Files in, world and lines out. Every look is driven by hand, at one instant.

use super::*;
use crate::api::Kind;
use crate::conversion::{Converter, ConverterOptions};
use serde_json::json;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use tokio::runtime::Runtime;

mod merges;
mod removals;

const SOURCE: &str = "
apiVersion: deckhouse.io/v1alpha1
kind: ModuleSource
metadata: {name: example}
spec: {registry: {repo: registry.example.com/modules}}
";
const POLICY: &str = "
apiVersion: deckhouse.io/v1alpha2
kind: ModuleUpdatePolicy
metadata: {name: slow}
spec: {}
";
const CONFIG: &str = "
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata:
  name: echo
spec:
  enabled: true
  updatePolicy: slow
";
const MODULE: &str = "
apiVersion: deckhouse.io/v1alpha1
kind: Module
metadata: {name: echo}
properties: {availableSources: [example]}
";

/// No file here has settings that a definition judges.
fn settler() -> Settler {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    Settler::new(
        Converter::new(ConverterOptions::default(), |_| {}),
        RUNTIME.handle().clone(),
    )
}

/// A folder that is followed, and the world that it fills.
struct Scene {
    dir: tempfile::TempDir,
    store: Arc<Store>,
    standalone: Standalone,
}

impl Scene {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::new(Arc::default()));
        let standalone = Standalone::new(dir.path(), Arc::clone(&store), "d8-system", settler());
        let scene = Self {
            dir,
            store,
            standalone,
        };
        for (name, text) in files {
            scene.write(name, text);
        }
        scene
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text.trim_start()).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// One look; the lines, with the names of files as they are in the folder.
    fn step(&mut self) -> Vec<String> {
        let lines = self.standalone.step(now()).unwrap();
        let prefix = format!("{}/", self.dir.path().display());
        lines.into_iter().map(|line| line.replace(&prefix, "")).collect()
    }

    fn has(&self, kind: Kind, name: &str) -> bool {
        self.store.world().read().has(kind, name)
    }

    fn object(&self, kind: Kind, name: &str) -> Value {
        self.store.world().read().object(kind, name).unwrap().to_value()
    }

    /// Somebody else changes an object.
    fn touch(&self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        let mut value = self.object(kind, name);
        change(&mut value);
        self.store.update(&Object::from_value(value).unwrap()).unwrap();
    }
}

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn none() -> [&'static str; 0] {
    []
}

#[test]
fn objects_of_a_folder_are_applied_in_any_order_of_files() {
    let mut scene = Scene::new(&[
        ("a.yaml", CONFIG),
        ("b.yaml", MODULE),
        ("c.yaml", POLICY),
        ("d.yaml", SOURCE),
        (
            "other.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n",
        ),
    ]);
    assert_eq!(scene.step(), none());
    for (kind, name) in [
        (Kind::ModuleConfig, "echo"),
        (Kind::Module, "echo"),
        (Kind::ModuleUpdatePolicy, "slow"),
        (Kind::ModuleSource, "example"),
    ] {
        assert!(scene.has(kind, name), "{kind}");
    }
    let changes = scene.store.world().changes();
    assert_eq!(scene.step(), none());
    assert!(
        !changes.has_changed().unwrap(),
        "a look that finds nothing writes nothing"
    );
}

#[test]
fn what_waits_for_another_of_its_kind_is_tried_until_nothing_more_is_accepted() {
    // Of two members of a group only one may be enabled: the switch is refused until the other one has been made.
    let module = |name: &str| {
        format!(
            "apiVersion: deckhouse.io/v1alpha1\nkind: Module\nmetadata: {{name: {name}}}\n\
             properties: {{exclusiveGroup: one, availableSources: [example]}}\n"
        )
    };
    let config = |name: &str, enabled: bool| {
        format!(
            "apiVersion: deckhouse.io/v1alpha1\nkind: ModuleConfig\nmetadata: {{name: {name}}}\n\
             spec: {{enabled: {enabled}}}\n"
        )
    };
    let mut scene = Scene::new(&[
        (
            "modules.yaml",
            &format!("{}---\n{}", module("alfa"), module("bravo")),
        ),
        ("source.yaml", SOURCE),
        (
            "configs.yaml",
            &format!("{}---\n{}", config("alfa", false), config("bravo", true)),
        ),
    ]);
    assert_eq!(scene.step(), none());
    scene.write(
        "configs.yaml",
        &format!("{}---\n{}", config("alfa", true), config("bravo", false)),
    );
    assert_eq!(scene.step(), none());
    assert_eq!(scene.object(Kind::ModuleConfig, "alfa")["spec"]["enabled"], true);
    assert_eq!(
        scene.object(Kind::ModuleConfig, "bravo")["spec"]["enabled"],
        false
    );
}

#[test]
fn a_refused_object_is_told_once_and_taken_in_when_what_it_needs_appears() {
    let mut scene = Scene::new(&[("config.yaml", CONFIG), ("source.yaml", SOURCE)]);
    let told =
        ["config.yaml:7: ModuleConfig/echo: spec.updatePolicy: the 'slow' module policy does not exist"];
    let lines = scene.step();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with(told[0]), "{lines:?}");
    assert!(scene.has(Kind::ModuleSource, "example"), "the rest goes on");
    assert_eq!(scene.step(), none());
    // The world changes, the verdict does not.
    scene.touch(Kind::ModuleSource, "example", |value| {
        value["status"] = json!({"message": "Ready"});
    });
    assert_eq!(scene.step(), none());
    // The file changes, the verdict does not: told again.
    scene.write("config.yaml", &CONFIG.replace("enabled: true", "enabled: false"));
    assert_eq!(scene.step().len(), 1);
    scene.write("policy.yaml", POLICY);
    assert_eq!(scene.step(), none());
    assert_eq!(scene.object(Kind::ModuleConfig, "echo")["spec"]["enabled"], false);
}

#[test]
fn a_refused_object_is_taken_in_when_somebody_else_makes_what_it_needs() {
    let mut scene = Scene::new(&[("config.yaml", CONFIG)]);
    assert_eq!(scene.step().len(), 1);
    let policy = json!({
        "apiVersion": "deckhouse.io/v1alpha2", "kind": "ModuleUpdatePolicy", "metadata": {"name": "slow"},
    });
    scene
        .store
        .create(&Object::from_value(policy).unwrap(), now())
        .unwrap();
    assert_eq!(scene.step(), none());
    assert!(scene.has(Kind::ModuleConfig, "echo"));
}

#[test]
fn a_refused_change_leaves_the_object_as_it_was() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    let before = scene.object(Kind::ModuleUpdatePolicy, "slow");
    scene.write(
        "policy.yaml",
        &POLICY.replace(
            "spec: {}",
            "spec:\n  update:\n    windows:\n      - {from: \"8:00\", to: \"8:00\"}",
        ),
    );
    let lines = scene.step();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("policy.yaml:7: ModuleUpdatePolicy/slow: spec.update.windows[0].to: "),
        "{lines:?}"
    );
    assert_eq!(scene.object(Kind::ModuleUpdatePolicy, "slow"), before);
}

#[test]
fn everything_that_is_wrong_stands_in_one_line_at_the_first_field() {
    let mut scene = Scene::new(&[(
        "a.yaml",
        "
apiVersion: deckhouse.io/v1alpha1
kind: ModuleConfig
metadata:
  name: echo
  labels:
    app: \"a b\"
  annotations:
    modules.deckhouse.io/allow-disabling: true
spec:
  updatePolicy: slow
",
    )]);
    let lines = scene.step();
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    assert!(
        line.starts_with("a.yaml:6: ModuleConfig/echo: metadata.labels[app]: \"a b\" is no label's value"),
        "{line}"
    );
    assert!(
        line.contains("; metadata.annotations[modules.deckhouse.io/allow-disabling]: expected a string"),
        "{line}"
    );
    assert!(
        line.contains("; spec.updatePolicy: the 'slow' module policy does not exist"),
        "{line}"
    );
}

#[test]
fn what_is_no_object_of_ours_is_told_at_its_place() {
    let mut scene = Scene::new(&[
        (
            "a.yaml",
            "apiVersion: deckhouse.io/v1alpha1\nkind: ModuleConfig\nspec: {}\n",
        ),
        (
            "b.yaml",
            "kind: ModuleConfig\napiVersion: deckhouse.io/v9\nmetadata: {name: echo}\n",
        ),
        ("c.yaml", "a: [\n"),
        (
            "d.yaml",
            "apiVersion: deckhouse.io/v1alpha1\nkind: ModuleConfig\nmetadata: {name: \"E\\nx\"}\nspec: {}\n",
        ),
    ]);
    let lines = scene.step();
    assert!(lines[0].starts_with("c.yaml:"), "{lines:?}");
    assert_eq!(
        lines[1],
        "a.yaml:1: metadata.name is missing: give the ModuleConfig a name"
    );
    assert!(
        lines[2].starts_with("d.yaml:3: ModuleConfig/E\\nx: metadata.name: 'E\\nx' is no module name"),
        "{lines:?}"
    );
    assert!(!lines[2].contains("RFC 1123"), "the rule speaks, and it alone");
    assert_eq!(
        lines[3],
        "b.yaml:2: ModuleConfig/echo: apiVersion: ModuleConfig has no version 'deckhouse.io/v9', write \
         deckhouse.io/v1alpha1"
    );
    assert_eq!(lines.len(), 4);
    assert_eq!(scene.step(), none());
}

#[test]
fn a_version_that_is_not_served_does_not_remove_the_object() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    scene.write("policy.yaml", &POLICY.replace("v1alpha2", "v1alpha3"));
    assert_eq!(scene.step().len(), 1);
    assert!(scene.has(Kind::ModuleUpdatePolicy, "slow"));
}

#[test]
fn a_file_that_does_not_parse_keeps_what_it_said() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    scene.write("policy.yaml", "spec: [");
    let lines = scene.step();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].starts_with("policy.yaml:1:"), "{lines:?}");
    assert!(scene.has(Kind::ModuleUpdatePolicy, "slow"));
}

#[test]
fn of_two_files_the_first_by_name_counts() {
    let other = POLICY.replace("spec: {}", "spec: {releaseChannel: Beta}");
    let mut scene = Scene::new(&[("a.yaml", POLICY), ("b.yaml", &other)]);
    let twice = "b.yaml:3: ModuleUpdatePolicy/slow: metadata.name: stands in a.yaml:1 already, which counts: remove \
                 one of the two";
    assert_eq!(scene.step(), [twice]);
    assert_eq!(
        scene.object(Kind::ModuleUpdatePolicy, "slow")["spec"]["releaseChannel"],
        "Stable"
    );
    scene.write("c.yaml", SOURCE);
    assert_eq!(scene.step(), none());
    // The first one goes: the second takes over what is one object all the time.
    let uid = scene.object(Kind::ModuleUpdatePolicy, "slow")["metadata"]["uid"].clone();
    scene.remove("a.yaml");
    assert_eq!(scene.step(), none());
    let policy = scene.object(Kind::ModuleUpdatePolicy, "slow");
    assert_eq!(policy["spec"]["releaseChannel"], "Beta");
    assert_eq!(policy["metadata"]["uid"], uid);
    scene.write("a.yaml", POLICY);
    assert_eq!(scene.step(), [twice]);
}

#[test]
fn no_line_holds_a_credential() {
    let mut scene = Scene::new(&[(
        "source.yaml",
        "
apiVersion: deckhouse.io/v1alpha1
kind: ModuleSource
metadata:
  name: example
  annotations: {kubectl.kubernetes.io/last-applied-configuration: hunter2}
spec: {registry: {repo: registry.example.com/m, dockerCfg: [hunter2], ca: hunter2}}
status: {phase: hunter2}
",
    )]);
    let lines = scene.step().join("\n");
    assert!(lines.contains("spec.registry.dockerCfg"), "{lines}");
    assert!(!lines.contains("hunter2"), "{lines}");
}

#[tokio::test]
async fn running_meets_its_condition_after_the_first_look_and_ends_when_told() {
    let scene = Scene::new(&[("policy.yaml", POLICY)]);
    let readiness = crate::telemetry::Readiness::default();
    let condition = readiness.condition("stores", "the files have not been read yet");
    let stop = CancellationToken::new();
    let mut changes = scene.store.world().changes();
    let running = tokio::spawn(scene.standalone.run(condition, stop.clone()));
    changes.changed().await.unwrap();
    assert!(scene.store.world().read().has(Kind::ModuleUpdatePolicy, "slow"));
    while !readiness.report().await.ready {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn running_says_that_the_folder_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(Store::new(Arc::default()));
    let standalone = Standalone::new(Path::new(dir.path()).join("none"), store, "d8-system", settler());
    let readiness = crate::telemetry::Readiness::default();
    let condition = readiness.condition("stores", "the files have not been read yet");
    let stop = CancellationToken::new();
    let running = tokio::spawn(standalone.run(condition, stop.clone()));
    loop {
        let report = readiness.report().await;
        assert!(!report.ready);
        if report.conditions[0]
            .missing
            .as_ref()
            .unwrap()
            .contains("none: No such file")
        {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap();
}
