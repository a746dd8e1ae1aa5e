//! The service account and what it may do: each verb that is used, none more. Every rule says who uses it; the test of
//! installing holds the whole list.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};

use super::yaml;
use crate::api::installation::{CA_SECRET, EVENTS_NAMESPACE, NAME, labels};
use crate::api::{GROUP, Kind};

/// Account, roles and their bindings.
pub(super) fn documents(namespace: &str) -> anyhow::Result<Vec<String>> {
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": NAME, "namespace": namespace, "labels": labels()},
    });
    let cluster_role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": NAME, "labels": labels()},
        "rules": cluster_rules(),
    });
    let cluster_binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": NAME, "labels": labels()},
        "roleRef": role_ref("ClusterRole", NAME),
        "subjects": subjects(namespace),
    });
    let events = format!("{NAME}-events");
    Ok(vec![
        yaml::document::<ServiceAccount>(account)?,
        yaml::document::<ClusterRole>(cluster_role)?,
        yaml::document::<ClusterRoleBinding>(cluster_binding)?,
        yaml::document::<Role>(role(NAME, namespace, own_rules()))?,
        yaml::document::<RoleBinding>(binding(NAME, namespace, namespace))?,
        yaml::document::<Role>(role(&events, EVENTS_NAMESPACE, event_rules()))?,
        yaml::document::<RoleBinding>(binding(&events, EVENTS_NAMESPACE, namespace))?,
    ])
}

fn role(name: &str, namespace: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": name, "namespace": namespace, "labels": labels()},
        "rules": rules,
    })
}

fn binding(name: &str, namespace: &str, account_namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace, "labels": labels()},
        "roleRef": role_ref("Role", name),
        "subjects": subjects(account_namespace),
    })
}

fn role_ref(kind: &str, name: &str) -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name})
}

fn subjects(namespace: &str) -> Value {
    json!([{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}])
}

/// What is in no namespace: our kinds, and what carries our caBundle, by name.
fn cluster_rules() -> Value {
    let all: Vec<&str> = Kind::ALL.map(Kind::plural).to_vec();
    let converted: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.is_converted()).collect();
    let plurals: Vec<&str> = converted.iter().map(|kind| kind.plural()).collect();
    let definitions: Vec<String> = converted.iter().map(|kind| kind.definition_name()).collect();
    json!([
        // Every replica reads the world and follows it.
        {"apiGroups": [GROUP], "resources": all, "verbs": ["list", "watch"]},
        // The leader writes objects that are stored in an old version anew, after an upgrade.
        {"apiGroups": [GROUP], "resources": plurals, "verbs": ["update"]},
        // Every replica keeps the caBundle of the webhooks (SV-2): watches, and writes by server-side apply. A rule that
        // binds names lets pass what lists and watches one object by its name.
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "resourceNames": [NAME],
            "verbs": ["list", "watch", "patch"],
        },
        // Every replica keeps the caBundle of the conversions likewise; the leader looks at `storedVersions`.
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": definitions,
            "verbs": ["get", "list", "watch", "patch"],
        },
        // The leader takes versions in which nothing is stored any more out of `storedVersions`.
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions/status"],
            "resourceNames": definitions,
            "verbs": ["update"],
        },
    ])
}

/// What is in Hatchway's namespace. An object that is being created has no name yet that a rule could bind.
fn own_rules() -> Value {
    json!([
        // The replicas choose their leader by the Lease (SV-5).
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [NAME],
            "verbs": ["get", "update"],
        },
        // Whichever replica comes first makes the authority, all of them follow it and change it over (SV-2).
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [CA_SECRET],
            "verbs": ["get", "list", "watch", "update"],
        },
    ])
}

/// Events: new ones, and one more of what happened before.
fn event_rules() -> Value {
    json!([{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}])
}
