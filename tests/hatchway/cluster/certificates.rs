//! Certificates in a cluster (rules SV-1 and SV-2): one authority for all replicas, known to every caller.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::support::control_plane::ControlPlane;
use crate::support::http::connect;
use crate::support::pki::{Ca, mount, trusting};
use crate::support::{Hatchway, command, eventually, eventually_within};

pub(super) mod entrance;
mod stream;

use entrance::Entrance;
use stream::Stream;

/// A control plane with Hatchway's manifests; API servers call `url`.
pub(super) fn installed(url: &str) -> ControlPlane {
    let plane = ControlPlane::start();
    let made = plane.kubectl(&["create", "namespace", "d8-system"]);
    assert_eq!(made.code, 0, "{}", made.stderr);
    apply(&plane, &manifests(url), &[]);
    plane
}

/// A kubeconfig with the rights of Hatchway's own account and no others.
fn account(plane: &ControlPlane) -> PathBuf {
    let printed = command().args(["manifests", "rbac"]).output().unwrap();
    apply(plane, &String::from_utf8(printed.stdout).unwrap(), &[]);
    let token = plane.kubectl(&["create", "token", "-n", "d8-system", "hatchway"]);
    assert_eq!(token.code, 0, "{}", token.stderr);
    let admin = plane.kubeconfig();
    let own = admin.with_file_name("account");
    let text = std::fs::read_to_string(admin).unwrap();
    let secret = |line: &&str| line.starts_with("users:");
    let users = text.lines().find(secret).unwrap();
    let ours = format!(
        "users: [{{name: admin, user: {{token: {}}}}}]",
        token.stdout.trim()
    );
    std::fs::write(&own, text.replace(users, &ours)).unwrap();
    own
}

fn manifests(url: &str) -> String {
    let printed = ["crds", "webhooks"].map(|what| {
        let output = command()
            .args(["manifests", what, "--webhook-url", url])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    });
    printed.join("---\n")
}

fn apply(plane: &ControlPlane, manifests: &str, flags: &[&str]) -> String {
    let applied = plane.kubectl_with(&[&["apply", "-f", "-"], flags].concat(), manifests);
    assert_eq!(applied.code, 0, "{}", applied.stderr);
    applied.stdout
}

fn get(plane: &ControlPlane, what: &[&str]) -> Value {
    let answer = plane.kubectl(&[&["get", "-o", "json"], what].concat());
    serde_json::from_str(&answer.stdout).unwrap_or_else(|_| panic!("{what:?}: {}", answer.stderr))
}

const SECRET: &[&str] = &["secret", "-n", "d8-system", "hatchway-ca"];
const VALIDATING: &[&str] = &["validatingwebhookconfiguration", "hatchway"];

/// A key of the Secret, as text.
fn secret(plane: &ControlPlane, key: &str) -> Option<String> {
    let secret = plane.kubectl(&[&["get", "-o", "json", "--ignore-not-found"], SECRET].concat());
    let secret: Value = serde_json::from_str(&secret.stdout).ok()?;
    Some(String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).unwrap()).unwrap())
}

/// Every caBundle, as text.
fn bundles(plane: &ControlPlane) -> Vec<String> {
    let decoded = |config: &Value| {
        String::from_utf8(
            STANDARD
                .decode(config["caBundle"].as_str().unwrap_or_default())
                .unwrap(),
        )
        .unwrap()
    };
    let mut found = Vec::new();
    for what in [VALIDATING, &["mutatingwebhookconfiguration", "hatchway"]] {
        for webhook in get(plane, what)["webhooks"].as_array().unwrap() {
            found.push(decoded(&webhook["clientConfig"]));
        }
    }
    for plural in ["moduleupdatepolicies", "modulepulloverrides"] {
        let definition = get(plane, &["crd", &format!("{plural}.deckhouse.io")]);
        found.push(decoded(
            &definition["spec"]["conversion"]["webhook"]["clientConfig"],
        ));
    }
    found
}

fn serve(plane: &ControlPlane, entrance: &Entrance) -> Hatchway {
    let server = Hatchway::start_behind(&entrance.url(), &account(plane), &[]);
    entrance.lead_to(server.https);
    server
}

/// Waits until readiness is content with everything.
async fn ready(server: &Hatchway) {
    eventually("readiness", async || {
        (server.get("/readyz").await.0 == 200).then_some(())
    })
    .await;
}

/// Waits until readiness is content with the caBundles.
pub(super) async fn trusted(server: &Hatchway) {
    eventually("the caBundles", async || {
        let (_, body) = server.get("/readyz").await;
        let report: Value = serde_json::from_str(&body).unwrap();
        let lines = report["conditions"].as_array().unwrap();
        lines
            .iter()
            .any(|line| line["name"] == "ca bundles" && line["ready"] == true)
            .then_some(())
    })
    .await;
}

/// Waits until what is served is trusted by who trusts `authority` alone.
async fn signed_by(server: &Hatchway, authority: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.crt");
    std::fs::write(&file, authority).unwrap();
    eventually_within(
        Duration::from_mins(1),
        "a certificate of the new authority",
        async || connect(server.https, trusting(&[&file])).await.ok(),
    )
    .await;
}

/// Waits until the Secret and every caBundle fulfil `holds`; gives the Secret's `ca.crt`.
async fn settled(plane: &ControlPlane, what: &str, holds: impl Fn(&str, &[String]) -> bool) -> String {
    eventually_within(Duration::from_mins(1), what, async || {
        let authority = secret(plane, "ca.crt")?;
        holds(&authority, &bundles(plane)).then_some(authority)
    })
    .await
}

/// Writes since `after` requests were made, but Events: who, what, which.
fn writes(plane: &ControlPlane, after: usize) -> Vec<String> {
    let requests = plane.audit().split_off(after);
    let writes = requests.iter().filter(|request| {
        let verb = request["verb"].as_str().unwrap_or_default();
        ["create", "update", "patch", "delete"].contains(&verb)
            && request["objectRef"]["resource"] != "leases"
            && request["userAgent"].as_str().unwrap_or_default().is_empty()
    });
    writes
        .map(|request| format!("{} {}", request["verb"], request["requestURI"]))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_make_one_authority_and_fill_every_bundle_and_applying_again_keeps_them() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let account = account(&plane);
    let began = Instant::now();
    let replica = || {
        let server = Hatchway::start_behind(&entrance.url(), &account, &[]);
        entrance.lead_to(server.https);
        server
    };
    let (one, other) = (replica(), replica());
    ready(&one).await;
    ready(&other).await;
    eprintln!("two replicas ready after {:?}", began.elapsed());
    let authority = secret(&plane, "ca.crt").unwrap();
    for bundle in bundles(&plane) {
        assert_eq!(bundle, authority);
    }
    for server in [&one, &other] {
        assert_eq!(std::fs::read_to_string(&server.ca).unwrap(), authority);
        server.assert_lives().await;
    }

    let again = apply(&plane, &manifests(&entrance.url()), &[]);
    assert!(again.lines().all(|line| line.ends_with(" unchanged")), "{again}");
    apply(
        &plane,
        &manifests(&entrance.url()),
        &["--server-side", "--force-conflicts"],
    );
    for bundle in bundles(&plane) {
        assert_eq!(bundle, authority);
    }

    assert!(!writes(&plane, 0).is_empty(), "the test counts no writes at all");
    let so_far = plane.audit().len();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(writes(&plane, so_far), Vec::<String>::new());
    let written = "hatchway_ca_writes_total{object=\"secret\"}";
    assert!((one.metric(written).await + other.metric(written).await - 1.0).abs() < f64::EPSILON);
    for server in [&one, &other] {
        let log = server.log();
        assert!(!log.contains("ERROR") && !log.contains("forbidden"), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_review_fails_while_the_secret_is_deleted_and_the_authority_rotated() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let (one, other) = (serve(&plane, &entrance), serve(&plane, &entrance));
    trusted(&one).await;
    trusted(&other).await;
    let first = secret(&plane, "ca.crt").unwrap();
    let stream = Stream::begin(&plane, &[one.https, other.https]).await;

    // Deleted: made anew, and the old one stays trusted, since it signed what is served.
    let deleted = plane.kubectl(&[&["delete"], SECRET].concat());
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    let second = settled(&plane, "a new authority in every bundle", |authority, bundles| {
        let both = format!("{authority}{first}");
        authority != first && bundles.iter().all(|bundle| *bundle == both)
    })
    .await;
    let lost = "hatchway_ca_problems_total{reason=\"secret-lost\"}";
    assert!((one.metric(lost).await + other.metric(lost).await - 1.0).abs() < f64::EPSILON);
    let notes = [one.get("/readyz").await.1, other.get("/readyz").await.1].join("\n");
    assert!(notes.contains("was gone; it was made anew"), "{notes}");
    for server in [&one, &other] {
        signed_by(server, &second).await;
    }

    // Asked for: both stand in the bundles before anybody serves what the new one signed.
    let asked = plane.kubectl(&[&["annotate"], SECRET, &["hatchway.deckhouse.io/rotate=now"]].concat());
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let third = settled(&plane, "the next authority to sign", |authority, bundles| {
        let all = format!("{authority}{second}{first}");
        authority != second && bundles.iter().all(|bundle| *bundle == all)
    })
    .await;
    for server in [&one, &other] {
        signed_by(server, &third).await;
        trusted(server).await;
    }
    let kept = get(&plane, SECRET);
    assert_eq!(
        kept["metadata"]["annotations"].as_object().unwrap().len(),
        1,
        "{kept}"
    );
    for server in [&one, &other] {
        assert!(!server.log().contains("forbidden"), "{}", server.log());
    }
    let (answered, shaken) = stream.end().await;
    eprintln!("{answered} reviews, {shaken} handshakes");
    assert!(answered > 50 && shaken > 50, "{answered} {shaken}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bundle_overwritten_by_hand_is_written_back_and_told() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let server = serve(&plane, &entrance);
    trusted(&server).await;
    let authority = secret(&plane, "ca.crt").unwrap();

    let stranger = STANDARD.encode(Ca::new().pem);
    let patch = format!(
        r#"[{{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": "{stranger}"}}]"#
    );
    let patched = plane.kubectl(&[&["patch"], VALIDATING, &["--type=json", "-p", &patch]].concat());
    assert_eq!(patched.code, 0, "{}", patched.stderr);
    let removal = r#"[{"op": "remove", "path": "/spec/conversion/webhook/clientConfig/caBundle"}]"#;
    let definition = "moduleupdatepolicies.deckhouse.io";
    let patched = plane.kubectl(&["patch", "crd", definition, "--type=json", "-p", removal]);
    assert_eq!(patched.code, 0, "{}", patched.stderr);

    server
        .metric_reaches("hatchway_ca_problems_total{reason=\"bundle\"}", 2.0)
        .await;
    // It is counted when it is found, and written back then.
    eventually("the authority in every bundle", async || {
        let mut all = bundles(&plane).into_iter();
        all.all(|bundle| bundle == authority).then_some(())
    })
    .await;
    trusted(&server).await;
    for object in ["hatchway", definition] {
        eventually(&format!("the event about {object}"), async || {
            let events = plane.kubectl(&[
                "get",
                "events.events.k8s.io",
                "-n",
                "default",
                "-o",
                "jsonpath={range .items[*]}{.reason} {.regarding.name}{\"\\n\"}{end}",
            ]);
            let event = format!("CaBundleRepaired {object}");
            events.stdout.lines().any(|line| line == event).then_some(())
        })
        .await;
    }
    let (_, body) = server.get("/readyz").await;
    assert!(body.contains("was overwritten; it was written back"), "{body}");
    assert!(!server.log().contains("forbidden"), "{}", server.log());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_cannot_be_used_is_made_anew_and_told() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let server = serve(&plane, &entrance);
    trusted(&server).await;
    let first = secret(&plane, "ca.crt").unwrap();

    let patch = r#"{"stringData": {"ca.key": "no key", "note": "mine"}}"#;
    let patched = plane.kubectl(&[&["patch"], SECRET, &["-p", patch]].concat());
    assert_eq!(patched.code, 0, "{}", patched.stderr);
    settled(&plane, "another authority", |authority, bundles| {
        let both = format!("{authority}{first}");
        authority != first && bundles.iter().all(|bundle| *bundle == both)
    })
    .await;
    assert_eq!(secret(&plane, "note").as_deref(), Some("mine"));
    let broken = "hatchway_ca_problems_total{reason=\"secret-broken\"}";
    server.metric_reaches(broken, 1.0).await;
    server.log_says("ca.crt and ca.key make no authority", 1).await;
    assert!(!server.log().contains("PRIVATE"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_put_their_authority_into_the_bundles_or_leave_them_alone() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Ca::new(), Ca::new());
    mount(dir.path(), "..1", &first.pem, &first.sign());
    let server = Hatchway::start_behind(
        &entrance.url(),
        &account(&plane),
        &["--tls-dir", dir.path().to_str().unwrap()],
    );
    trusted(&server).await;
    assert!(bundles(&plane).iter().all(|bundle| *bundle == first.pem));
    assert_eq!(secret(&plane, "ca.crt"), None);

    mount(dir.path(), "..2", &second.pem, &second.sign());
    eventually("the other authority", async || {
        bundles(&plane)
            .iter()
            .all(|bundle| *bundle == second.pem)
            .then_some(())
    })
    .await;
    trusted(&server).await;

    // Without one, somebody else writes the bundles; a wrong one is told, and while anybody trusts us we are ready.
    let bare = tempfile::tempdir().unwrap();
    let pair = second.sign();
    std::fs::write(bare.path().join("tls.crt"), &pair.certificate).unwrap();
    std::fs::write(bare.path().join("tls.key"), &pair.key).unwrap();
    drop(server);
    let server = Hatchway::start_behind(
        &entrance.url(),
        &account(&plane),
        &["--tls-dir", bare.path().to_str().unwrap()],
    );
    trusted(&server).await;
    let stranger = STANDARD.encode(&first.pem);
    let patch = format!(
        r#"[{{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": "{stranger}"}}]"#
    );
    plane.kubectl(&[&["patch"], VALIDATING, &["--type=json", "-p", &patch]].concat());
    let mismatch = "hatchway_ca_bundle_mismatch{object=\"validatingwebhookconfiguration\"}";
    server.metric_reaches(mismatch, 1.0).await;
    trusted(&server).await;
    let (_, body) = server.get("/readyz").await;
    assert!(
        body.contains(
            "some callers would not trust what is served: validatingwebhookconfiguration hatchway, "
        ),
        "{body}"
    );
    eventually("the event", async || {
        let events = plane.kubectl(&["get", "events.events.k8s.io", "-n", "default"]);
        events.stdout.contains("CaBundleMismatch").then_some(())
    })
    .await;

    // A server that is started now is not ready before all of them trust it.
    let late = Hatchway::start_behind(
        &entrance.url(),
        &account(&plane),
        &["--tls-dir", bare.path().to_str().unwrap()],
    );
    eventually("what is missing", async || {
        let (code, body) = late.get("/readyz").await;
        (code == 503 && body.contains("callers would not trust what is served")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_stored_in_the_old_version_are_readable_as_soon_as_the_server_has_begun() {
    let entrance = Entrance::open().await;
    let plane = ControlPlane::start();
    plane.kubectl(&["create", "namespace", "d8-system"]);
    // As an older installation left it: v1alpha1 only, stored, no webhook.
    let all = manifests(&entrance.url());
    let old: String = all
        .split("---\n")
        .filter(|document| document.contains("conversion:"))
        .map(old_definition)
        .collect();
    assert_eq!(old.matches("kind: CustomResourceDefinition").count(), 2);
    apply(&plane, &old, &[]);
    plane.established();
    apply(
        &plane,
        "{apiVersion: deckhouse.io/v1alpha1, kind: ModuleUpdatePolicy, metadata: {name: old}, spec: {update: {mode: Auto}, moduleReleaseSelector: {labelSelector: {matchLabels: {a: b}}}}}
---
{apiVersion: deckhouse.io/v1alpha1, kind: ModulePullOverride, metadata: {name: old}, spec: {imageTag: main, source: example}}",
        &[],
    );

    apply(&plane, &all, &[]);
    let stored = get(&plane, &["crd", "moduleupdatepolicies.deckhouse.io"]);
    assert_eq!(
        stored["status"]["storedVersions"],
        serde_json::json!(["v1alpha1", "v1alpha2"])
    );
    let began = Instant::now();
    let server = serve(&plane, &entrance);
    for (kind, field) in [
        ("moduleupdatepolicies", "update"),
        ("modulepulloverrides", "imageTag"),
    ] {
        let new = format!("{kind}.v1alpha2.deckhouse.io");
        let object = eventually("the object in the new version", async || {
            let answer = plane.kubectl(&["get", &new, "old", "-o", "json"]);
            serde_json::from_str::<Value>(&answer.stdout).ok()
        })
        .await;
        assert!(object["spec"].get(field).is_some(), "{object}");
    }
    eprintln!("readable after {:?}", began.elapsed());
    ready(&server).await;
    let back = get(&plane, &["modulepulloverrides.v1alpha1.deckhouse.io", "old"]);
    assert_eq!(back["spec"]["source"], "example");
}

/// The definition of a kind with two versions, as it was with the first alone.
fn old_definition(document: &str) -> String {
    let mut definition: Value = serde_saphyr::from_str(document).unwrap();
    let spec = definition["spec"].as_object_mut().unwrap();
    spec.remove("conversion");
    let versions = spec["versions"].as_array_mut().unwrap();
    versions.retain(|version| version["name"] == "v1alpha1");
    versions[0]["storage"] = Value::Bool(true);
    format!("{definition}\n---\n").replacen('{', "# kind: CustomResourceDefinition\n{", 1)
}

/// Whether readiness has a note on the caBundles that something cannot be done.
async fn trouble(server: &Hatchway) -> bool {
    let (_, body) = server.get("/readyz").await;
    let report: Value = serde_json::from_str(&body).unwrap();
    let mut notes = report["notes"].as_array().into_iter().flatten();
    notes.any(|note| {
        note.as_str()
            .is_some_and(|note| note.starts_with("ca bundles: ") && note.contains("cannot"))
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_is_away_is_waited_for_and_takes_nothing_from_who_is_ready() {
    let entrance = Entrance::open().await;
    let plane = installed(&entrance.url());
    let account = account(&plane);
    plane.stop_api_server();
    let server = Hatchway::start_behind(&entrance.url(), &account, &[]);
    entrance.lead_to(server.https);
    let condition = async || {
        let (_, body) = server.get("/readyz").await;
        let report: Value = serde_json::from_str(&body).unwrap();
        let lines = report["conditions"].as_array().unwrap().clone();
        lines
            .into_iter()
            .find(|line| line["name"] == "ca bundles")
            .unwrap()
    };
    server
        .metric_reaches("hatchway_ca_problems_total{reason=\"watch\"}", 3.0)
        .await;
    assert_eq!(condition().await["ready"], false);
    server.assert_lives().await;

    plane.start_api_server();
    let began = Instant::now();
    trusted(&server).await;
    eprintln!("trusted {:?} after the API server", began.elapsed());

    plane.stop_api_server();
    eventually("the note", async || trouble(&server).await.then_some(())).await;
    assert_eq!(condition().await["ready"], true);

    // Deleted by somebody while we did not look.
    plane.start_api_server();
    let first = secret(&plane, "ca.crt").unwrap();
    plane.kubectl(&[&["delete"], SECRET].concat());
    settled(&plane, "a new authority", |authority, bundles| {
        authority != first && bundles.iter().all(|bundle| bundle.starts_with(authority))
    })
    .await;
    eventually_within(Duration::from_mins(1), "an end of the note", async || {
        (!trouble(&server).await).then_some(())
    })
    .await;
}
