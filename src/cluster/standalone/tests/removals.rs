//! What becomes of objects whose files go.

use super::*;

#[test]
fn an_object_that_leaves_the_files_goes() {
    let mut scene = Scene::new(&[("a.yaml", CONFIG), ("b.yaml", POLICY)]);
    scene.step();
    scene.remove("a.yaml");
    scene.remove("b.yaml");
    assert_eq!(
        scene.step(),
        none(),
        "the config goes before the policy that it names"
    );
    assert!(!scene.has(Kind::ModuleConfig, "echo"));
    assert!(!scene.has(Kind::ModuleUpdatePolicy, "slow"));
}

#[test]
fn a_removal_that_is_refused_keeps_the_object_and_is_tried_again() {
    let mut scene = Scene::new(&[("a.yaml", CONFIG), ("b.yaml", POLICY)]);
    scene.step();
    scene.remove("b.yaml");
    let line = scene.step().join("\n");
    assert!(line.starts_with("b.yaml:"), "{line}");
    assert!(line.contains(": ModuleUpdatePolicy/slow: "), "{line}");
    assert!(
        line.contains("the 'slow' update policy is used by the 'echo' module config"),
        "{line}"
    );
    assert!(scene.has(Kind::ModuleUpdatePolicy, "slow"));
    assert_eq!(scene.step(), none());
    scene.write("a.yaml", &CONFIG.replace("  updatePolicy: slow\n", ""));
    assert_eq!(scene.step(), none());
    assert!(!scene.has(Kind::ModuleUpdatePolicy, "slow"));
}

#[test]
fn a_deletion_waits_for_finalizers_and_the_object_can_come_again() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    let (kind, name) = (Kind::ModuleUpdatePolicy, "slow");
    scene.touch(kind, name, |value| {
        value["metadata"]["finalizers"] = json!(["example.com/a"]);
    });
    assert_eq!(scene.step(), none());
    scene.remove("policy.yaml");
    assert_eq!(scene.step(), none());
    let marked = scene.object(kind, name);
    assert_eq!(marked["metadata"]["deletionTimestamp"], "2026-01-02T03:04:05Z");
    assert_eq!(scene.step(), none());

    scene.write("policy.yaml", POLICY);
    assert_eq!(
        scene.step(),
        [
            "policy.yaml:1: ModuleUpdatePolicy/slow: is being deleted, and is made again once its finalizers are gone"
        ]
    );
    assert_eq!(scene.object(kind, name), marked);
    scene.touch(kind, name, |value| value["metadata"]["finalizers"] = json!([]));
    assert!(!scene.has(kind, name));
    assert_eq!(scene.step(), none());
    let again = scene.object(kind, name);
    assert_ne!(again["metadata"]["uid"], marked["metadata"]["uid"]);
    assert!(again["metadata"].get("deletionTimestamp").is_none());
}

#[test]
fn what_somebody_else_removed_stays_away_until_its_file_changes() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    scene
        .store
        .delete(Kind::ModuleUpdatePolicy, "slow", now())
        .unwrap();
    assert_eq!(scene.step(), none());
    assert!(!scene.has(Kind::ModuleUpdatePolicy, "slow"));
    scene.write("policy.yaml", &POLICY.replace("{}", "{releaseChannel: Beta}"));
    scene.step();
    assert!(scene.has(Kind::ModuleUpdatePolicy, "slow"));
}

#[test]
fn a_folder_that_is_gone_is_an_error_and_removes_nothing() {
    let mut scene = Scene::new(&[("policy.yaml", POLICY)]);
    scene.step();
    let away = scene.dir.path().with_extension("away");
    fs::rename(scene.dir.path(), &away).unwrap();
    let error = scene.standalone.step(now()).unwrap_err();
    assert_eq!(error.to_string(), "the folder of objects cannot be listed");
    assert!(scene.has(Kind::ModuleUpdatePolicy, "slow"));
    fs::rename(&away, scene.dir.path()).unwrap();
    assert_eq!(scene.step(), none());
}
