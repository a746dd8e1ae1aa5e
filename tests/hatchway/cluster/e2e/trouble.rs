//! Under load, what the replicas share is changed, lost and overwritten: the certificate authority (rule SV-2), the
//! caBundles, the Lease (rule SV-5). They put it right by themselves, and nobody notices.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::installation::{Installation, NAMESPACE, manifests};
use super::load::Load;
use super::replica::until;
use crate::support::process::Signal;

/// Where the API server reads whom it may trust: the object, and the pointer to its first caBundle.
const BUNDLES: [(&str, &str, &str); 4] = [
    (
        "validatingwebhookconfiguration",
        "hatchway",
        "/webhooks/0/clientConfig/caBundle",
    ),
    (
        "mutatingwebhookconfiguration",
        "hatchway",
        "/webhooks/0/clientConfig/caBundle",
    ),
    (
        "crd",
        "modulepulloverrides.deckhouse.io",
        "/spec/conversion/webhook/clientConfig/caBundle",
    ),
    (
        "crd",
        "moduleupdatepolicies.deckhouse.io",
        "/spec/conversion/webhook/clientConfig/caBundle",
    ),
];

#[test]
fn no_admission_fails_while_what_the_replicas_share_is_lost_and_found() {
    let mut installation = Installation::start(2);
    let load = Load::start(&installation);

    let first = authority(&installation).expect("a Secret");
    let asked = installation.kubectl(&[
        "annotate",
        "secret",
        "hatchway-ca",
        "-n",
        NAMESPACE,
        "hatchway.deckhouse.io/rotate=now",
    ]);
    assert_eq!(asked.code, 0, "{}", asked.stderr);
    let second = until("another authority signs", || {
        authority(&installation).filter(|now| *now != first)
    });
    load.assert_all_well("a rotation of the certificate authority");
    for bundle in bundles(&installation) {
        assert!(
            bundle.contains(first.trim()),
            "the old authority is out before its leaves have expired"
        );
        assert!(bundle.contains(second.trim()), "the new authority is not in");
    }

    let deleted = installation.kubectl(&["delete", "secret", "hatchway-ca", "-n", NAMESPACE]);
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    let third = until("the Secret is there again", || authority(&installation));
    until("every bundle trusts it", || {
        bundles(&installation)
            .iter()
            .all(|bundle| bundle.contains(third.trim()))
            .then_some(())
    });
    load.assert_all_well("a deleted CA Secret");

    // Whoever asks between the two finds nobody to trust: that is what was asked for. It is over by itself. Several
    // times, so that some replica says the same again (an Event is counted up then).
    drop(load);
    for _ in 0..3 {
        for (kind, name, _) in BUNDLES {
            let patch = if kind == "crd" {
                r#"[{"op": "remove", "path": "/spec/conversion/webhook/clientConfig/caBundle"}]"#
            } else {
                r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#
            };
            let removed = installation.kubectl(&["patch", kind, name, "--type=json", "-p", patch]);
            assert_eq!(removed.code, 0, "{}", removed.stderr);
        }
        until("every bundle is there again", || {
            let trusted = |bundle: &String| bundle.contains(third.trim());
            bundles(&installation).iter().all(trusted).then_some(())
        });
    }

    let load = Load::start(&installation);
    let leader = until("somebody leads", || holder(&installation));
    let deleted = installation.kubectl(&["delete", "lease", "hatchway", "-n", NAMESPACE]);
    assert_eq!(deleted.code, 0, "{}", deleted.stderr);
    let leader_again = until("somebody leads again", || holder(&installation));
    load.assert_all_well("a deleted Lease");

    let stolen = r#"{"spec": {"holderIdentity": "thief"}}"#;
    let patched = installation.kubectl(&[
        "patch",
        "lease",
        "hatchway",
        "-n",
        NAMESPACE,
        "--type=merge",
        "-p",
        stolen,
    ]);
    assert_eq!(patched.code, 0, "{}", patched.stderr);
    let next = until("the thief's time is over", || {
        holder(&installation).filter(|holder| holder != "thief")
    });
    load.assert_all_well("a stolen Lease");

    // Left behind by an upgrade, for whoever leads next.
    for (kind, name, _) in BUNDLES {
        if kind == "crd" {
            let mixed = r#"{"status": {"storedVersions": ["v1alpha1", "v1alpha2"]}}"#;
            let patched = installation.kubectl(&[
                "patch",
                kind,
                name,
                "--subresource=status",
                "--type=merge",
                "-p",
                mixed,
            ]);
            assert_eq!(patched.code, 0, "{}", patched.stderr);
        }
    }
    let policy =
        "{apiVersion: deckhouse.io/v1alpha2, kind: ModuleUpdatePolicy, metadata: {name: stored}, spec: {}}";
    assert_eq!(installation.apply(policy).code, 0);
    let at = leader_of(&installation, &next);
    installation.terminate(at);
    let heir = until("it was given back", || {
        holder(&installation).filter(|holder| *holder != next)
    });
    load.assert_all_well("the end of the leader");
    assert!(
        [leader, leader_again, next]
            .iter()
            .all(|former| !former.is_empty())
    );
    assert_eq!(leader_of(&installation, &heir), 0);
    for (kind, name, _) in BUNDLES {
        if kind == "crd" {
            until("storedVersions are trimmed", || {
                let crd = installation.get(&[kind, name]);
                (crd["status"]["storedVersions"] == serde_json::json!(["v1alpha2"])).then_some(())
            });
        }
    }
    load.assert_all_well("objects written anew in the stored version");

    // A leader that hangs is none: the other leads, and whoever hung does not write when it wakes.
    installation.add_replica(&[]);
    installation.until_ready();
    drop(load);
    let frozen = leader_of(&installation, &heir);
    installation.replicas[frozen].signal(Signal::STOP);
    until("the other leads", || {
        holder(&installation).filter(|holder| *holder != heir)
    });
    installation.replicas[frozen].signal(Signal::CONT);
    installation.until_ready();
    let load = Load::start(&installation);
    load.assert_all_well("a leader that hung for a while");
    drop(load);

    every_right_is_used(&installation);
}

/// The certificate of who signs, in PEM.
fn authority(installation: &Installation) -> Option<String> {
    let secret = installation.kubectl(&[
        "get",
        "secret",
        "hatchway-ca",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.data.ca\\.crt}",
    ]);
    (secret.code == 0 && !secret.stdout.is_empty()).then(|| decoded(&secret.stdout))
}

/// All caBundles, in PEM; empty ones too.
fn bundles(installation: &Installation) -> Vec<String> {
    let read = |(kind, name, pointer): (&str, &str, &str)| {
        let object = installation.get(&[kind, name]);
        decoded(
            object
                .pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    };
    BUNDLES.map(read).into()
}

fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

/// Who holds the Lease.
fn holder(installation: &Installation) -> Option<String> {
    let lease = installation.kubectl(&[
        "get",
        "lease",
        "hatchway",
        "-n",
        NAMESPACE,
        "-o",
        "jsonpath={.spec.holderIdentity}",
    ]);
    (lease.code == 0 && !lease.stdout.is_empty()).then_some(lease.stdout)
}

/// The replica that an identity belongs to: it begins with the Pod's name.
fn leader_of(installation: &Installation, identity: &str) -> usize {
    let position = installation.replicas.iter().position(|replica| {
        identity.starts_with(&format!("{}_", replica.name))
            || identity.starts_with(&format!("{}-", replica.name))
    });
    position.unwrap_or_else(|| panic!("{identity} is no replica"))
}

/// Least rights: each verb on each resource that the roles allow was seen in the audit log.
fn every_right_is_used(installation: &Installation) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let used: BTreeSet<String> = installation
        .own_requests()
        .iter()
        .map(|event| {
            let object = &event["objectRef"];
            let slash = if object["subresource"].is_null() { "" } else { "/" };
            format!(
                "{} {}/{}{slash}{}",
                text(&event["verb"]),
                text(&object["apiGroup"]),
                text(&object["resource"]),
                text(&object["subresource"])
            )
        })
        .collect();
    let roles: Vec<Value> = serde_saphyr::from_multiple(&manifests(&["rbac"])).unwrap();
    let mut unused = BTreeSet::new();
    for rule in roles
        .iter()
        .flat_map(|role| role["rules"].as_array().into_iter().flatten())
    {
        let list = |name: &str| {
            rule[name]
                .as_array()
                .into_iter()
                .flatten()
                .map(&text)
                .collect::<Vec<_>>()
        };
        for group in list("apiGroups") {
            for resource in list("resources") {
                for verb in list("verbs") {
                    let right = format!("{verb} {group}/{resource}");
                    if !used.contains(&right) {
                        unused.insert(right);
                    }
                }
            }
        }
    }
    assert!(
        unused.is_empty(),
        "granted and never used: {unused:#?}\nused: {used:#?}"
    );
}
