//! The namespace.

use k8s_openapi::api::core::v1::Namespace;
use serde_json::json;

use super::yaml;

/// The namespace; without labels, since it may be shared.
pub(super) fn documents(namespace: &str) -> anyhow::Result<Vec<String>> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    Ok(vec![yaml::document::<Namespace>(namespace)?])
}
