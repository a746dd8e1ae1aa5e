//! The webhook configurations, from the table of entries.

use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration,
};
use serde_json::{Value, json};

use super::target::Target;
use super::{matching, yaml};
use crate::api::installation::{NAME, labels};
use crate::api::{GROUP, Kind};
use crate::rules::Operation;
use crate::rules::entries::{self, FailurePolicy};
use crate::webhook::Path;

/// How long the API server waits, in seconds: its own default, since a refusal may first wait for what is being made
/// (AD-5), and an explicit answer comes at 80 % of it (AD-6).
const TIMEOUT_SECONDS: u8 = 10;

/// Both configurations.
pub(super) fn documents(namespace: &str, target: &Target) -> anyhow::Result<Vec<String>> {
    let validating = configuration("ValidatingWebhookConfiguration", validating(namespace, target));
    let mutating = configuration("MutatingWebhookConfiguration", mutating(namespace, target));
    Ok(vec![
        yaml::document::<ValidatingWebhookConfiguration>(validating)?,
        yaml::document::<MutatingWebhookConfiguration>(mutating)?,
    ])
}

fn configuration(kind: &str, webhooks: Vec<Value>) -> Value {
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": NAME, "labels": labels()},
        "webhooks": webhooks,
    })
}

fn validating(namespace: &str, target: &Target) -> Vec<Value> {
    let entries = entries::VALIDATE.iter().map(|entry| {
        let mut webhook = webhook(entry.prefix, entry.kind, entry.operations, entry.failure_policy);
        webhook["clientConfig"] = target.client_config(Path::Validate);
        webhook["matchConditions"] = json!([matching::not_ourselves(namespace)]);
        webhook
    });
    entries.collect()
}

fn mutating(namespace: &str, target: &Target) -> Vec<Value> {
    let kinds = entries::MUTATE.iter().map(|kind| {
        let writes = &[Operation::Create, Operation::Update];
        let mut webhook = webhook("", *kind, writes, FailurePolicy::Ignore);
        webhook["clientConfig"] = target.client_config(Path::Mutate);
        webhook["matchConditions"] = json!([
            matching::not_ourselves(namespace),
            matching::lacks_defaults(*kind),
        ]);
        // Filling in is idempotent, and another webhook may have brought a window or an object of its own.
        webhook["reinvocationPolicy"] = json!("IfNeeded");
        webhook
    });
    kinds.collect()
}

fn webhook(prefix: &str, kind: Kind, operations: &[Operation], policy: FailurePolicy) -> Value {
    let versions: Vec<&str> = kind.served().iter().map(|served| served.version).collect();
    let operations: Vec<&str> = operations.iter().map(|operation| operation.name()).collect();
    json!({
        "name": entry_name(prefix, kind),
        "admissionReviewVersions": ["v1"],
        "failurePolicy": policy.name(),
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "timeoutSeconds": TIMEOUT_SECONDS,
        "rules": [{
            "apiGroups": [GROUP],
            "apiVersions": versions,
            "operations": operations,
            "resources": [kind.plural()],
            "scope": "Cluster",
        }],
    })
}

/// An entry's name, for good: under another one the old entry would stay behind in every cluster.
fn entry_name(prefix: &str, kind: Kind) -> String {
    format!("{prefix}{}.{NAME}.{GROUP}", kind.plural())
}
