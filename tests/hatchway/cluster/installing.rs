//! Installing with kubectl: what `hatchway manifests` prints and what lies in manifests/, in a real API server.

mod by_hand;
mod cert_manager;
mod rights;
mod stored;

use std::sync::Once;

use serde_json::{Value, json};

use crate::support::command;
use crate::support::control_plane::{Answer, ControlPlane};

/// What everything is named in kubectl's words, in the order in which it has to be applied: the namespace before what
/// is in it, webhook configurations last, since from then on the API server asks.
const ORDER: &[&str] = &[
    "namespace/d8-system",
    "customresourcedefinition.apiextensions.k8s.io/modulesources.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/moduleupdatepolicies.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/modulesettingsdefinitions.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/modules.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/moduleconfigs.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/modulepulloverrides.deckhouse.io",
    "customresourcedefinition.apiextensions.k8s.io/modulereleases.deckhouse.io",
    "serviceaccount/hatchway",
    "clusterrole.rbac.authorization.k8s.io/hatchway",
    "clusterrolebinding.rbac.authorization.k8s.io/hatchway",
    "role.rbac.authorization.k8s.io/hatchway",
    "rolebinding.rbac.authorization.k8s.io/hatchway",
    "role.rbac.authorization.k8s.io/hatchway-events",
    "rolebinding.rbac.authorization.k8s.io/hatchway-events",
    "service/hatchway",
    "service/hatchway-convert",
    "deployment.apps/hatchway",
    "poddisruptionbudget.policy/hatchway",
    "validatingwebhookconfiguration.admissionregistration.k8s.io/hatchway",
    "mutatingwebhookconfiguration.admissionregistration.k8s.io/hatchway",
];

/// Of a PodDisruptionBudget with a selector kubectl always says `configured`: its patch replaces the selector, whatever
/// it was. The API server finds nothing to change.
const ALWAYS_CONFIGURED: &str = "poddisruptionbudget.policy/hatchway";

/// The shared API server, with Hatchway's namespace in it.
fn shared() -> &'static ControlPlane {
    static NAMESPACE: Once = Once::new();
    let plane = ControlPlane::shared();
    NAMESPACE.call_once(|| {
        taken(&plane.kubectl_with(&["apply", "-f", "-"], &manifests(&["namespace"])));
    });
    plane
}

/// What `hatchway manifests` prints.
fn manifests(arguments: &[&str]) -> String {
    let output = command().arg("manifests").args(arguments).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A folder of manifests/.
fn folder(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The objects of a stream of YAML documents.
fn objects(text: &str) -> Vec<Value> {
    let reading = hatchway::documents::parse("-", text.as_bytes());
    assert_eq!(reading.problems, []);
    let documents = reading.documents.into_iter();
    documents.map(|document| document.value).collect()
}

/// That kubectl took everything without a word of warning; what it says of each object.
fn taken(answer: &Answer) -> Vec<(&str, &str)> {
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""));
    let lines = answer.stdout.lines();
    lines.map(|line| line.split_once(' ').unwrap()).collect()
}

/// That kubectl found nothing to do.
fn assert_unchanged(answer: &Answer) {
    for (name, said) in taken(answer) {
        assert!(
            said == "unchanged" || (name, said) == (ALWAYS_CONFIGURED, "configured"),
            "{name} {said}"
        );
    }
}

#[test]
fn applying_again_changes_nothing_and_keeps_what_the_server_wrote() {
    let plane = ControlPlane::start();
    let all = manifests(&["all", "--image", "hatchway"]);
    let apply = |flags: &[&str], text: &str| plane.kubectl_with(&[&["apply"], flags].concat(), text);

    let first = apply(&["-f", "-"], &all);
    let created: Vec<_> = ORDER.iter().map(|name| (*name, "created")).collect();
    assert_eq!(taken(&first), created);
    plane.established();

    // As the running server does it (SV-2).
    let bundle = write_bundles(&plane, &all);
    let before = stored(&plane, &all);
    assert_eq!(bundles(&before), vec![bundle.as_str(); count_of_callers(&all)]);

    assert_unchanged(&apply(&["-f", "-"], &all));
    assert_unchanged(&apply(&["-k", &folder("manifests")], ""));
    let difference = plane.kubectl_with(&["diff", "-f", "-"], &all);
    assert_eq!(
        (difference.code, difference.stdout.as_str()),
        (0, ""),
        "{}",
        difference.stderr
    );
    assert_eq!(stored(&plane, &all), before);

    // From one way of applying to the other without a conflict; then nothing again.
    let server_side = ["--server-side", "-f", "-"];
    assert_eq!(taken(&apply(&server_side, &all)).len(), ORDER.len());
    let moved = stored(&plane, &all);
    assert_eq!(bundles(&moved), bundles(&before));
    assert_eq!(taken(&apply(&server_side, &all)).len(), ORDER.len());
    assert_eq!(stored(&plane, &all), moved);
}

#[test]
fn another_namespace_and_a_url_are_taken_and_replace_each_other() {
    let plane = ControlPlane::start();
    let by_service = manifests(&["all", "--image", "hatchway", "--namespace", "a", "--service", "b"]);
    let by_url = manifests(&[
        "all",
        "--webhook-url",
        "https://127.0.0.1:9443",
        "--namespace",
        "a",
    ]);
    let apply = |text: &str| plane.kubectl_with(&["apply", "-f", "-"], text);

    let first = apply(&by_service);
    assert_eq!(taken(&first).len(), ORDER.len());
    let bundle = write_bundles(&plane, &by_service);

    // Nothing of the workload, and callers that name the URL alone.
    let second = apply(&by_url);
    let workload = ["service/", "deployment.apps/", "poddisruptionbudget.policy/"];
    let names: Vec<&str> = taken(&second).iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), ORDER.len() - 4);
    assert!(
        !names
            .iter()
            .any(|name| workload.iter().any(|kind| name.starts_with(kind)))
    );
    for (object, printed) in stored(&plane, &by_url).iter().zip(objects(&by_url)) {
        for (stored, printed) in callers(object).into_iter().zip(callers(&printed)) {
            assert_eq!(stored["caBundle"], bundle);
            assert_eq!(stored["url"], printed["url"]);
            assert_eq!(stored.get("service"), None);
        }
    }
    assert_eq!(taken(&apply(&by_service)).len(), ORDER.len());
    assert_unchanged(&apply(&by_service));
}

/// Writes a bundle into everything that calls Hatchway, by server-side apply in the server's name; the bundle.
fn write_bundles(plane: &ControlPlane, text: &str) -> String {
    let pem = std::fs::read(plane.ca_file()).unwrap();
    let bundle = base64(&pem);
    let config = json!({"caBundle": bundle});
    let partial = |object: &Value| {
        let mut partial = json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": {"name": object["metadata"]["name"]},
        });
        if let Some(webhooks) = object["webhooks"].as_array() {
            let entries = webhooks
                .iter()
                .map(|webhook| json!({"name": webhook["name"], "clientConfig": config}));
            partial["webhooks"] = entries.collect();
        } else {
            partial["spec"] = json!({"conversion": {"webhook": {"clientConfig": config}}});
        }
        partial
    };
    let objects = objects(text);
    let called: Vec<Value> = objects
        .iter()
        .filter(|object| !callers(object).is_empty())
        .map(partial)
        .collect();
    assert_eq!(called.len(), 4);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": called});
    let flags = [
        "apply",
        "--server-side",
        "--field-manager=hatchway",
        "--validate=false",
        "-f",
        "-",
    ];
    let applied = plane.kubectl_with(&flags, &list.to_string());
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    bundle
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The objects of a stream as the API server has them now.
fn stored(plane: &ControlPlane, text: &str) -> Vec<Value> {
    let answer = plane.kubectl_with(&["get", "-o", "json", "-f", "-"], text);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let mut list: Value = serde_json::from_str(&answer.stdout).unwrap();
    serde_json::from_value(list["items"].take()).unwrap()
}

/// The `clientConfig` of every webhook and of the conversion.
fn callers(object: &Value) -> Vec<&Value> {
    let webhooks = object["webhooks"].as_array().into_iter().flatten();
    let conversion = object["spec"]["conversion"]["webhook"].get("clientConfig");
    webhooks
        .map(|webhook| &webhook["clientConfig"])
        .chain(conversion)
        .collect()
}

fn count_of_callers(text: &str) -> usize {
    objects(text).iter().map(|object| callers(object).len()).sum()
}

fn bundles(objects: &[Value]) -> Vec<&str> {
    let callers = objects.iter().flat_map(callers);
    callers
        .map(|config| config["caBundle"].as_str().unwrap())
        .collect()
}
