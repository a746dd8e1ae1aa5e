//! The CustomResourceDefinitions, with the conversion of those that are served in several versions.

use anyhow::Context;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceConversion;
use serde_json::json;

use super::target::Target;
use super::yaml;
use crate::api::{Kind, crds};
use crate::webhook::Path;

/// The definition of one kind, or of all.
pub(super) fn documents(only: Option<Kind>, target: &Target) -> anyhow::Result<Vec<String>> {
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| only.is_none_or(|only| only == *kind));
    kinds.map(|kind| document(kind, target)).collect()
}

fn document(kind: Kind, target: &Target) -> anyhow::Result<String> {
    let mut definition =
        crds::definition(kind).with_context(|| format!("cannot make the definition of {kind}"))?;
    if kind.is_converted() {
        let conversion = json!({
            "strategy": "Webhook",
            "webhook": {
                "clientConfig": target.client_config(Path::Convert),
                "conversionReviewVersions": ["v1"],
            },
        });
        let conversion: CustomResourceConversion =
            serde_json::from_value(conversion).context("cannot make the conversion")?;
        definition.spec.conversion = Some(conversion);
    }
    yaml::print(&definition)
}
