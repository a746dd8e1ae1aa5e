//! The service account and what it may do: each verb that is used, none more.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};

use super::crds::is_converted;
use super::{labels, yaml};
use crate::api::installation::{CA_SECRET, EVENTS_NAMESPACE, NAME};
use crate::api::{GROUP, Kind, schemas};

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

/// Our kinds everywhere, and what carries our caBundle, by name.
fn cluster_rules() -> Value {
    let plurals: Vec<&str> = Kind::ALL.map(Kind::plural).to_vec();
    let statuses: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|kind| schemas::status(*kind).is_some())
        .map(|kind| format!("{}/status", kind.plural()))
        .collect();
    // Finalizers and annotations stand in the object itself (SRC-9, OV-3, OV-5, CF-3).
    let annotated = [Kind::ModuleSource, Kind::ModuleConfig, Kind::ModulePullOverride].map(Kind::plural);
    let definition = |kind: Kind| format!("{}.{GROUP}", kind.plural());
    let definitions: Vec<String> = Kind::ALL.map(definition).to_vec();
    let converted: Vec<String> = Kind::ALL
        .into_iter()
        .filter(|kind| is_converted(*kind))
        .map(definition)
        .collect();
    json!([
        {"apiGroups": [GROUP], "resources": plurals, "verbs": ["get", "list", "watch"]},
        {"apiGroups": [GROUP], "resources": annotated, "verbs": ["patch"]},
        {"apiGroups": [GROUP], "resources": statuses, "verbs": ["patch"]},
        {
            "apiGroups": ["admissionregistration.k8s.io"],
            "resources": ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
            "resourceNames": [NAME],
            "verbs": ["get", "patch"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions"],
            "resourceNames": definitions,
            "verbs": ["get"],
        },
        {
            "apiGroups": ["apiextensions.k8s.io"],
            "resources": ["customresourcedefinitions", "customresourcedefinitions/status"],
            "resourceNames": converted,
            "verbs": ["patch"],
        },
    ])
}

/// Lease and Secret. What is being created has no name yet that a rule could bind.
fn own_rules() -> Value {
    json!([
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {
            "apiGroups": ["coordination.k8s.io"],
            "resources": ["leases"],
            "resourceNames": [NAME],
            "verbs": ["get", "update"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]},
        {
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": [CA_SECRET],
            "verbs": ["get", "update"],
        },
    ])
}

fn event_rules() -> Value {
    json!([{"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]}])
}
