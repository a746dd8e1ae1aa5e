//! The end of old versions: trimmed by the leader after an upgrade, and by `uninstall`, with a webhook and without.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::certificates::entrance::Entrance;
use crate::support::control_plane::{Answer, ControlPlane};
use crate::support::{Hatchway, command, eventually};

/// Nobody listens there.
const NOBODY: &str = "https://127.0.0.1:1";
/// The kinds that are served in two versions.
const CONVERTED: [&str; 2] = ["modulepulloverrides", "moduleupdatepolicies"];
/// Everything that `hatchway manifests` makes.
const KINDS: &str = "crd,clusterroles,clusterrolebindings,roles,rolebindings,serviceaccounts,services,deployments,\
                     poddisruptionbudgets,validatingwebhookconfigurations,mutatingwebhookconfigurations,leases,secrets";

/// Stored as v1alpha1, without what has a default today.
const OLD: &str = "\
{apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: old, finalizers: [modules.deckhouse.io/mpo-finalizer]}, spec: {imageTag: main, source: example}}
---
{apiVersion: deckhouse.io/v1alpha1, kind: ModuleUpdatePolicy, metadata: {name: old}, spec: {releaseChannel: Alpha, moduleReleaseSelector: {labelSelector: {matchLabels: {a: b}}}}}
";

/// Stored as v1alpha2, likewise.
const NEW: &str = r#"
{apiVersion: deckhouse.io/v1alpha2, kind: ModulePullOverride, metadata: {name: new, annotations: {modules.deckhouse.io/v1alpha1-fields: '{"source":"kept"}'}}, spec: {imageTag: main}}
---
{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: new}, spec: {releaseChannel: Alpha}}
"#;

fn manifests(arguments: &[&str]) -> String {
    let output = command().arg("manifests").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn taken(answer: &Answer) {
    assert_eq!(answer.code, 0, "{}", answer.stderr);
}

fn apply(plane: &ControlPlane, text: &str) {
    taken(&plane.kubectl_with(&["apply", "-f", "-"], text));
    plane.established();
}

/// The CRDs of old: another storage version, no defaults, no conversion.
fn old_definitions(storage: &str) -> String {
    fn without_defaults(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                fields.remove("default");
                fields.values_mut().for_each(without_defaults);
            }
            Value::Array(items) => items.iter_mut().for_each(without_defaults),
            _ => {}
        }
    }
    let definitions = CONVERTED.map(|plural| {
        let mut definition: Value = serde_saphyr::from_str(&manifests(&["crds", plural])).unwrap();
        definition["spec"].as_object_mut().unwrap().remove("conversion");
        for version in definition["spec"]["versions"].as_array_mut().unwrap() {
            version["storage"] = json!(version["name"] == storage);
            without_defaults(&mut version["schema"]);
        }
        definition.to_string()
    });
    definitions.join("\n---\n")
}

/// Objects in both versions, and today's manifests, by which API servers call `url`.
fn installed(url: &str) -> ControlPlane {
    let plane = ControlPlane::start();
    for (storage, objects) in [("v1alpha1", OLD), ("v1alpha2", NEW)] {
        apply(&plane, &old_definitions(storage));
        taken(&plane.kubectl_with(&["create", "-f", "-"], objects));
    }
    apply(
        &plane,
        &(manifests(&["namespace"]) + &manifests(&["crds", "--webhook-url", url])),
    );
    for plural in CONVERTED {
        assert_eq!(stored(&plane, plural), r#"["v1alpha1","v1alpha2"]"#);
    }
    plane
}

/// The rest of the manifests: from here on the API server asks.
fn guarded(plane: &ControlPlane, url: &str) {
    let parts: [&[&str]; 3] = [
        &["rbac"],
        &["deployment", "--image", "hatchway"],
        &["webhooks", "--webhook-url", url],
    ];
    let all: String = parts.into_iter().map(manifests).collect();
    apply(plane, &all);
}

fn stored(plane: &ControlPlane, plural: &str) -> String {
    let name = format!("{plural}.deckhouse.io");
    plane
        .kubectl(&["get", "crd", &name, "-o", "jsonpath={.status.storedVersions}"])
        .stdout
}

fn get(plane: &ControlPlane, plural: &str, version: &str, name: &str) -> Value {
    let resource = format!("{plural}.{version}.deckhouse.io");
    let answer = plane.kubectl(&["get", &resource, name, "-o", "json"]);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{}", answer.stderr))
}

/// Nothing that the objects of either version said is lost.
fn nothing_is_lost(plane: &ControlPlane) {
    let fields = |object: &Value| {
        let text = &object["metadata"]["annotations"]["modules.deckhouse.io/v1alpha1-fields"];
        serde_json::from_str::<Value>(text.as_str().unwrap_or("null")).unwrap()
    };
    let old = get(plane, "modulepulloverrides", "v1alpha2", "old");
    assert_eq!(fields(&old), json!({"source": "example"}));
    assert_eq!(
        old["spec"],
        json!({"imageTag": "main", "rollback": false, "scanInterval": "15s"})
    );
    let new = get(plane, "modulepulloverrides", "v1alpha2", "new");
    assert_eq!(fields(&new), json!({"source": "kept"}));

    let old = get(plane, "moduleupdatepolicies", "v1alpha2", "old");
    let selector = json!({"labelSelector": {"matchLabels": {"a": "b"}}});
    assert_eq!(fields(&old), json!({"moduleReleaseSelector": selector}));
    // The default of the version that each was stored in.
    assert_eq!(
        old["spec"],
        json!({"releaseChannel": "Alpha", "update": {"mode": "AutoPatch"}})
    );
    let new = get(plane, "moduleupdatepolicies", "v1alpha2", "new");
    assert_eq!(
        new["spec"],
        json!({"releaseChannel": "Alpha", "update": {"mode": "Auto"}})
    );
}

/// Runs `hatchway uninstall`: its exit code and what it told.
fn uninstall(plane: &ControlPlane, flags: &[&str]) -> (i32, String) {
    let output = command()
        .arg("uninstall")
        .args(flags)
        .arg("--kubeconfig")
        .arg(plane.kubeconfig())
        .output()
        .unwrap();
    assert!(output.stdout.is_empty());
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A Lease that says who holds it.
fn lease(plane: &ControlPlane, holder: &str, seconds: u8) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": "hatchway", "namespace": "d8-system"},
        "spec": {"holderIdentity": holder, "leaseDurationSeconds": seconds},
    });
    taken(&plane.kubectl_with(&["apply", "-f", "-"], &lease.to_string()));
}

/// A kubeconfig with no rights but those of Hatchway's own account.
fn account(plane: &ControlPlane, folder: &Path) -> PathBuf {
    let token = plane.kubectl(&["create", "token", "hatchway", "-n", "d8-system"]);
    taken(&token);
    let file = folder.join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": plane.url(), "certificate-authority": plane.ca_file()}}],
        "users": [{"name": "a", "user": {"token": token.stdout.trim()}}],
    });
    std::fs::write(&file, text.to_string()).unwrap();
    file
}

/// A server that API servers reach, once they know its authority.
async fn serve(plane: &ControlPlane, entrance: &Entrance, kubeconfig: &Path) -> Hatchway {
    let server = Hatchway::start_behind(&entrance.url(), kubeconfig, &[]);
    entrance.lead_to(server.https);
    eventually("a conversion", async || {
        let list = plane.kubectl(&["get", "modulepulloverrides.v1alpha2.deckhouse.io"]);
        (list.code == 0).then_some(())
    })
    .await;
    server
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_writes_anew_what_is_stored_in_an_old_version() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    guarded(&plane, &entrance.url());
    lease(&plane, "", 1);
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&plane, &entrance, &account(&plane, folder.path())).await;
    for plural in CONVERTED {
        eventually("storedVersions", async || {
            (stored(&plane, plural) == r#"["v1alpha2"]"#).then_some(())
        })
        .await;
    }
    let told = server
        .log_says("all objects are stored in version v1alpha2 now", 2)
        .await;
    assert_eq!(told.len(), 2, "{told:?}");
    nothing_is_lost(&plane);
    assert!(!server.log().contains("forbidden"), "{}", server.log());
    let old = get(&plane, "modulepulloverrides", "v1alpha1", "old");
    assert_eq!(old["spec"]["source"], "example");
}

#[tokio::test(flavor = "multi_thread")]
async fn uninstalling_lets_the_webhook_convert_while_it_answers() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    guarded(&plane, &entrance.url());
    // Nobody leads, so that nobody else writes anew.
    lease(&plane, "nobody", 60);
    let folder = tempfile::tempdir().unwrap();
    let server = serve(&plane, &entrance, &account(&plane, folder.path())).await;
    let (code, told) = uninstall(&plane, &[]);
    assert_eq!(code, 0, "{told}");
    assert!(!told.contains("without a webhook"), "{told}");
    assert!(
        told.contains(
            "trimmed storedVersions of customresourcedefinition/modulepulloverrides.deckhouse.io to v1alpha2"
        ),
        "{told}"
    );
    drop(server);
    nothing_is_lost(&plane);
}

#[test]
fn uninstalling_leaves_nothing_behind_though_no_webhook_is_alive() {
    let plane = installed(NOBODY);
    let source = "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleSource, metadata: {name: example, finalizers: [modules.deckhouse.io/release-exists, example.com/other]}, spec: {registry: {repo: registry.example.com/modules}}}";
    taken(&plane.kubectl_with(&["create", "-f", "-"], source));
    guarded(&plane, NOBODY);
    lease(&plane, "gone", 15);
    taken(&plane.kubectl(&["create", "secret", "generic", "hatchway-ca", "-n", "d8-system"]));
    let touch = ["annotate", "ms", "example", "--overwrite", "a=b"];
    assert!(plane.kubectl(&touch).stderr.contains("failed calling webhook"));

    let (code, told) = uninstall(&plane, &[]);
    eprintln!("{told}");
    assert_eq!(code, 0, "{told}");
    assert!(
        told.starts_with("deleted validatingwebhookconfiguration/hatchway\n"),
        "{told}"
    );
    assert!(
        told.contains("wrote 2 objects of modulepulloverrides anew without a webhook, as v1alpha2"),
        "{told}"
    );
    assert!(told.ends_with("Hatchway is uninstalled; the namespace d8-system stays, and so do the CRDs with all objects (--crds deletes them)\n"), "{told}");
    nothing_is_lost(&plane);
    for plural in CONVERTED {
        assert_eq!(stored(&plane, plural), r#"["v1alpha2"]"#);
    }
    assert_eq!(
        get(&plane, "modulepulloverrides", "v1alpha2", "old")["metadata"].get("finalizers"),
        None
    );
    let source = get(&plane, "modulesources", "v1alpha1", "example");
    assert_eq!(source["metadata"]["finalizers"], json!(["example.com/other"]));
    // Everybody can read and write as they like.
    taken(&plane.kubectl(&touch));
    taken(&plane.kubectl(&["get", "mpo,mup,ms,mc,mr", "-o", "yaml"]));
    taken(&plane.kubectl(&["delete", "mpo", "new"]));
    taken(&plane.kubectl_with(&["create", "-f", "-"], "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleConfig, metadata: {name: echo}, spec: {enabled: true}}"));

    let (code, told) = uninstall(&plane, &[]);
    assert_eq!(
        (code, told.lines().next()),
        (
            0,
            Some(
                "nothing of Hatchway is there; the namespace d8-system stays, and so do the CRDs with all objects (--crds deletes them)"
            )
        )
    );

    taken(&plane.kubectl(&[
        "patch",
        "ms",
        "example",
        "--type=merge",
        "-p",
        r#"{"metadata":{"finalizers":null}}"#,
    ]));
    let (code, told) = uninstall(&plane, &["--crds"]);
    assert_eq!(code, 0, "{told}");
    assert!(
        told.contains("deleted customresourcedefinition/modulepulloverrides.deckhouse.io with 1 object"),
        "{told}"
    );
    let left = plane.kubectl(&[
        "get",
        KINDS,
        "-A",
        "-l",
        "app.kubernetes.io/part-of=hatchway",
        "-o",
        "name",
    ]);
    assert_eq!((left.code, left.stdout.as_str()), (0, ""), "{}", left.stderr);
    let left = plane.kubectl(&["get", "leases,secrets,crd", "-A", "-o", "name"]);
    assert!(
        !left.stdout.contains("hatchway") && !left.stdout.contains("deckhouse.io"),
        "{}",
        left.stdout
    );
}

#[test]
fn uninstalling_from_a_cluster_that_does_not_answer_could_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, "{apiVersion: v1, kind: Config, clusters: [{name: a, cluster: {server: 'https://127.0.0.1:1'}}], users: [], contexts: [{name: a, context: {cluster: a}}], current-context: a}").unwrap();
    let output = command()
        .args(["uninstall", "--kubeconfig"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: cannot uninstall: cannot ask the API server for its version: the API server does not answer"), "{told}");
}
