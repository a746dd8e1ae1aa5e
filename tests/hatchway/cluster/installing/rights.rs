//! What the account may do: each call that the program makes, and no other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{manifests, objects, shared, taken};
use crate::support::control_plane::ControlPlane;

/// Calls of one kind, and who makes them.
struct Calls {
    who: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    /// Empty where any name will do.
    names: &'static [&'static str],
    /// Empty where the resource is in none.
    namespace: &'static str,
    verbs: &'static [&'static str],
}

/// Everything that the program asks of an API server.
const USED: &[Calls] = &[
    Calls {
        who: "every replica reads the world and follows it",
        group: "deckhouse.io",
        resources: &[
            "moduleconfigs",
            "modulepulloverrides",
            "modulereleases",
            "modules",
            "modulesettingsdefinitions",
            "modulesources",
            "moduleupdatepolicies",
        ],
        names: &[],
        namespace: "",
        verbs: &["list", "watch"],
    },
    Calls {
        who: "the leader rewrites what is stored in an old version",
        group: "deckhouse.io",
        resources: &["modulepulloverrides", "moduleupdatepolicies"],
        names: &[],
        namespace: "",
        verbs: &["update"],
    },
    Calls {
        who: "every replica keeps the caBundle of the webhooks",
        group: "admissionregistration.k8s.io",
        resources: &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
        names: &["hatchway"],
        namespace: "",
        verbs: &["list", "watch", "patch"],
    },
    Calls {
        who: "every replica keeps the caBundle of the conversions, the leader reads storedVersions",
        group: "apiextensions.k8s.io",
        resources: &["customresourcedefinitions"],
        names: &[
            "modulepulloverrides.deckhouse.io",
            "moduleupdatepolicies.deckhouse.io",
        ],
        namespace: "",
        verbs: &["get", "list", "watch", "patch"],
    },
    Calls {
        who: "the leader trims storedVersions",
        group: "apiextensions.k8s.io",
        resources: &["customresourcedefinitions/status"],
        names: &[
            "modulepulloverrides.deckhouse.io",
            "moduleupdatepolicies.deckhouse.io",
        ],
        namespace: "",
        verbs: &["update"],
    },
    Calls {
        who: "whoever comes first makes the Lease",
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        namespace: "d8-system",
        verbs: &["create"],
    },
    Calls {
        who: "the leader renews the Lease, the others look at it",
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &["hatchway"],
        namespace: "d8-system",
        verbs: &["get", "update"],
    },
    Calls {
        who: "whoever comes first makes the authority",
        group: "",
        resources: &["secrets"],
        names: &[],
        namespace: "d8-system",
        verbs: &["create"],
    },
    Calls {
        who: "every replica follows the authority and rotates it",
        group: "",
        resources: &["secrets"],
        names: &["hatchway-ca"],
        namespace: "d8-system",
        verbs: &["get", "list", "watch", "update"],
    },
    Calls {
        who: "Events about objects without a namespace",
        group: "events.k8s.io",
        resources: &["events"],
        names: &[],
        namespace: "default",
        verbs: &["create", "patch"],
    },
];

/// Calls that would be worth something to whoever gets hold of the account's token: verb, group, resource, namespace,
/// name.
const REFUSED: &[[&str; 5]] = &[
    ["list", "", "secrets", "d8-system", ""],
    ["watch", "", "secrets", "d8-system", ""],
    ["get", "", "secrets", "d8-system", "another"],
    ["delete", "", "secrets", "d8-system", "hatchway-ca"],
    ["get", "", "secrets", "kube-system", "hatchway-ca"],
    ["create", "", "secrets", "kube-system", ""],
    ["update", "coordination.k8s.io", "leases", "d8-system", "another"],
    [
        "update",
        "coordination.k8s.io",
        "leases",
        "kube-system",
        "hatchway",
    ],
    ["create", "", "pods", "d8-system", ""],
    ["list", "", "pods", "d8-system", ""],
    ["get", "", "configmaps", "d8-system", ""],
    ["get", "", "nodes", "", ""],
    ["create", "", "serviceaccounts/token", "d8-system", "hatchway"],
    ["impersonate", "", "users", "", "admin"],
    ["patch", "apps", "deployments", "d8-system", "hatchway"],
    [
        "patch",
        "rbac.authorization.k8s.io",
        "clusterroles",
        "",
        "hatchway",
    ],
    [
        "patch",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "",
        "another",
    ],
    [
        "delete",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "",
        "hatchway",
    ],
    [
        "create",
        "admissionregistration.k8s.io",
        "validatingwebhookconfigurations",
        "",
        "",
    ],
    [
        "patch",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "",
        "moduleconfigs.deckhouse.io",
    ],
    [
        "patch",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "",
        "others.example.com",
    ],
    [
        "delete",
        "apiextensions.k8s.io",
        "customresourcedefinitions",
        "",
        "modulepulloverrides.deckhouse.io",
    ],
    ["create", "deckhouse.io", "modules", "", ""],
    ["delete", "deckhouse.io", "moduleconfigs", "", "echo"],
    ["update", "deckhouse.io", "moduleconfigs", "", "echo"],
    ["update", "deckhouse.io", "modulereleases", "", "echo-v1.0.0"],
    ["create", "events.k8s.io", "events", "d8-system", ""],
    ["delete", "events.k8s.io", "events", "default", ""],
];

/// One call: namespace, group, resource, name, verb.
type Call = [String; 5];

fn calls(calls: &Calls) -> Vec<Call> {
    let any = [""];
    let names = if calls.names.is_empty() { &any } else { calls.names };
    let mut all = Vec::new();
    for resource in calls.resources {
        for name in names {
            let call = |verb: &&str| [calls.namespace, calls.group, resource, name, verb].map(str::to_owned);
            all.extend(calls.verbs.iter().map(call));
        }
    }
    all
}

#[test]
fn the_account_may_do_what_the_program_does_and_nothing_else() {
    let plane = shared();
    let rbac = manifests(&["rbac"]);
    taken(&plane.kubectl_with(&["apply", "-f", "-"], &rbac));

    let used: Vec<(&str, Call)> = USED
        .iter()
        .flat_map(|each| calls(each).into_iter().map(|call| (each.who, call)))
        .collect();
    let asked: Vec<&Call> = used.iter().map(|(_, call)| call).collect();
    for ((who, call), allowed) in used.iter().zip(allowed(plane, &asked)) {
        assert!(allowed, "{who}: {call:?}");
    }

    let refused: Vec<Call> = REFUSED
        .iter()
        .map(|[verb, group, resource, namespace, name]| {
            [namespace, group, resource, name, verb].map(|text| (*text).to_owned())
        })
        .collect();
    let asked: Vec<&Call> = refused.iter().collect();
    for (call, allowed) in refused.iter().zip(allowed(plane, &asked)) {
        assert!(!allowed, "{call:?}");
    }

    // One object by its name can be listed and watched, and nothing beside it.
    let own = "--as=system:serviceaccount:d8-system:hatchway";
    let secrets = ["-n", "d8-system", "get", "secrets", own];
    let named = ["--field-selector", "metadata.name=hatchway-ca"];
    let one = plane.kubectl(&[&secrets[..], &named].concat());
    assert_eq!(one.code, 0, "{}", one.stderr);
    let all = plane.kubectl(&secrets);
    assert!(all.stderr.contains("forbidden"), "{}", all.stderr);

    // What the roles say, call by call, is what is used.
    let used: BTreeSet<Call> = used.into_iter().map(|(_, call)| call).collect();
    let granted: BTreeSet<Call> = objects(&rbac).iter().flat_map(granted).collect();
    assert_eq!(granted, used);
}

/// Whether the account may make each of the calls, by the API server's own authorizer.
fn allowed(plane: &ControlPlane, calls: &[&Call]) -> Vec<bool> {
    let reviews = calls.iter().map(|[namespace, group, resource, name, verb]| {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {
                "user": "system:serviceaccount:d8-system:hatchway",
                "groups": ["system:serviceaccounts", "system:serviceaccounts:d8-system", "system:authenticated"],
                "resourceAttributes": {
                    "namespace": namespace, "group": group, "resource": resource, "subresource": subresource,
                    "name": name, "verb": verb,
                },
            },
        })
    });
    let reviews = json!({"apiVersion": "v1", "kind": "List", "items": reviews.collect::<Value>()});
    let answer = plane.kubectl_with(&["create", "-o", "json", "-f", "-"], &reviews.to_string());
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let answers: Vec<bool> = serde_json::Deserializer::from_str(&answer.stdout)
        .into_iter()
        .map(|review: Result<Value, _>| review.unwrap()["status"]["allowed"].as_bool().unwrap())
        .collect();
    assert_eq!(answers.len(), calls.len());
    answers
}

/// The calls that a role allows.
fn granted(object: &Value) -> Vec<Call> {
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut all = Vec::new();
    for rule in object["rules"].as_array().into_iter().flatten() {
        let mut names = texts(&rule["resourceNames"]);
        if names.is_empty() {
            names.push(String::new());
        }
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for name in &names {
                    for verb in texts(&rule["verbs"]) {
                        all.push([
                            namespace.to_owned(),
                            group.clone(),
                            resource.clone(),
                            name.clone(),
                            verb,
                        ]);
                    }
                }
            }
        }
    }
    all
}
