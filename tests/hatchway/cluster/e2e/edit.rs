//! `kubectl edit` for real, with an editor that makes a mistake and corrects it: a refusal of rule AD-2 reopens it with
//! every cause on top, where any other error would throw the edit away.

use super::installation::Installation;

/// Keeps each text that it is opened with, and edits by line: a source that does not exist, then one that does.
const EDITOR: &str = r#"#!/usr/bin/env bash
set -euo pipefail
times=$(($(cat "$EDITS/times" 2>/dev/null || echo 0) + 1))
echo "$times" >"$EDITS/times"
cp "$1" "$EDITS/opened-$times"
case $times in
1) sed -i 's/^  enabled: false/  enabled: true\n  source: edtied\n  updatePolicy: nowhere/' "$1" ;;
2) sed -i 's/^  source: edtied/  source: edited/; /^  updatePolicy: nowhere/d' "$1" ;;
esac
"#;

#[test]
fn kubectl_edit_opens_again_with_every_cause() {
    let installation = Installation::shared();
    let objects = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: edited}, spec: {registry: {repo: registry.example.com/edited}}}\n---\n\
        {apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: edited}, spec: {enabled: false}}";
    assert_eq!(installation.apply(objects).code, 0);

    let folder = tempfile::tempdir().unwrap();
    let editor = folder.path().join("editor.sh");
    std::fs::write(&editor, EDITOR).unwrap();
    let command = format!("bash {}", editor.display());
    let edits = folder.path().display().to_string();
    let edited = installation.plane.runner().kubectl_in(
        &[("KUBE_EDITOR", &command), ("EDITS", &edits)],
        &["edit", "mc", "edited"],
        "",
    );
    assert_eq!(edited.code, 0, "{edited:?}");
    assert!(
        edited.stdout.contains("moduleconfig.deckhouse.io/edited edited"),
        "{edited:?}"
    );

    let opened = |time: u8| std::fs::read_to_string(folder.path().join(format!("opened-{time}"))).unwrap();
    let again = opened(2);
    let comments: Vec<&str> = again.lines().filter(|line| line.starts_with('#')).collect();
    let comments = comments.join("\n");
    for cause in [
        "moduleconfigs.deckhouse.io \"edited\" was not valid",
        "* spec.source: the 'edtied' module source does not exist, did you mean \"edited\"?",
        "* spec.updatePolicy: the 'nowhere' module policy does not exist: create the ModuleUpdatePolicy first",
    ] {
        assert!(comments.contains(cause), "no {cause:?} in\n{comments}");
    }
    assert!(
        again.contains("  source: edtied"),
        "what was typed is gone:\n{again}"
    );
    assert!(!folder.path().join("opened-3").exists());
    let stored = installation.get(&["mc", "edited"]);
    assert_eq!(
        (&stored["spec"]["source"], &stored["spec"]["enabled"]),
        (&"edited".into(), &true.into())
    );
}

#[test]
fn kubectl_replace_is_refused_with_every_cause() {
    let installation = Installation::shared();
    let object = |spec: &str| {
        format!(
            "{{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {{name: replaced}}, spec: {spec}}}"
        )
    };
    assert_eq!(installation.apply(&object("{enabled: false}")).code, 0);
    let replaced = installation.plane.kubectl_with(
        &["replace", "-f", "-"],
        &object("{source: nowhere, updatePolicy: nowhere}"),
    );
    assert_eq!(replaced.code, 1);
    for cause in [
        "* spec.source: ",
        "* spec.updatePolicy: ",
        "The ModuleConfig \"replaced\" is invalid",
    ] {
        assert!(replaced.stderr.contains(cause), "{}", replaced.stderr);
    }
}
