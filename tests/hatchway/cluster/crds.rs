//! The CRDs in a real API server: they are taken, they fill in defaults, and while no webhook is there they refuse in
//! the words of the rules.

use crate::support::command;
use crate::support::control_plane::ControlPlane;

#[test]
fn the_crds_refuse_in_the_words_of_the_rules_and_fill_in_defaults() {
    let plane = ControlPlane::start();
    let printed = command().args(["manifests", "crds"]).output().unwrap();
    let crds = String::from_utf8(printed.stdout).unwrap();
    let applied = plane.kubectl_with(&["apply", "-f", "-"], &crds);
    assert_eq!(
        (applied.code, applied.stdout.lines().count()),
        (0, 7),
        "{}",
        applied.stderr
    );
    plane.established();
    let again = plane.kubectl_with(&["apply", "-f", "-"], &crds);
    assert!(
        again.stdout.lines().all(|line| line.ends_with(" unchanged")),
        "{}",
        again.stdout
    );

    for (object, words) in REFUSED {
        let refused = plane.kubectl_with(&["create", "--validate=false", "-f", "-"], object);
        assert_eq!(refused.code, 1, "{object}");
        for words in *words {
            assert!(refused.stderr.contains(words), "{object}\n{}", refused.stderr);
        }
    }

    let policy =
        "{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: bare}, spec: {}}";
    assert_eq!(plane.kubectl_with(&["create", "-f", "-"], policy).code, 0);
    let defaults = "jsonpath={.spec.releaseChannel} {.spec.update.mode}";
    assert_eq!(
        plane.kubectl(&["get", "mup", "bare", "-o", defaults]).stdout,
        "Stable Auto"
    );
}

/// Objects that the schema refuses by itself, and what it says.
const REFUSED: &[(&str, &[&str])] = &[
    (
        "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: echo}, spec: {source: Embedded, updatePolicy: deckhouse, settings: {a: 1}}}",
        &[
            "spec.source: Invalid value: \"Embedded\": 'Embedded' is a forbidden source",
            "spec.updatePolicy: Invalid value: \"deckhouse\": 'deckhouse' is the platform's own update policy",
            "spec.version is required when spec.settings are specified",
        ],
    ),
    (
        "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: modules}, spec: {}}",
        &["metadata.name: Invalid value: 'modules' is no module name"],
    ),
    (
        "{apiVersion: deckhouse.io/v1alpha2, kind: ModulePullOverride, metadata: {name: echo}, spec: {imageTag: a b, scanInterval: 25h}}",
        &["'a b' is no image tag", "'25h' is no scan interval"],
    ),
    (
        "{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: deckhouse}, spec: {update: {windows: [{from: '8:00', to: '08:00'}, {from: '24:00', to: '1:00'}]}}}",
        &[
            "'deckhouse' is the name of the platform's own update policy",
            "spec.update.windows[0].to",
            "'24:00' is no time of day",
        ],
    ),
    (
        "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: x}, spec: {registry: {repo: 'https://x/y'}, scanInterval: 0s}}",
        &["'https://x/y' is no repository", "'0s' is no scan interval"],
    ),
    (
        "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleRelease, metadata: {name: x}, spec: {moduleName: echo, version: v1.2}}",
        &[
            "'x' is not the name of this release",
            "'v1.2' is no semantic version",
        ],
    ),
];
