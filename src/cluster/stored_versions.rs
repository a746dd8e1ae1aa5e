//! What is stored in a version of old is written anew in the one that is stored today, and `status.storedVersions` of
//! its CRD is trimmed to that: before that a CRD cannot drop a version. The leader does it after an upgrade, `uninstall`
//! before the conversion goes.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, PostParams};

use super::calls::{self, CallError, call, object_name};
use super::lease::Term;
use crate::api::Kind;

/// How often a leader looks, two reads each time: an upgrade applies CRDs whenever it likes.
const LOOK_EVERY: Duration = Duration::from_mins(1);
/// How soon it tries again what went wrong.
const RETRY: Duration = Duration::from_secs(30);
/// After an API server has taken a CRD, others may go on storing in the old version for a moment.
const SETTLE: Duration = Duration::from_secs(5);

/// The kinds that are served in several versions.
pub(super) fn kinds() -> impl Iterator<Item = Kind> {
    Kind::ALL.into_iter().filter(|kind| kind.is_converted())
}

/// Looks for what is stored in an old version, and writes it anew, until the term is over.
pub async fn keep(client: Client, term: Term) {
    tokio::time::sleep(SETTLE).await;
    let mut told = String::new();
    loop {
        let mut trouble = String::new();
        for kind in kinds() {
            match bring_up(&client, kind, &term).await {
                Ok(None) => {}
                Ok(Some(objects)) => tracing::info!(
                    crd = kind.definition_name(),
                    objects,
                    "all objects are stored in version {} now, storedVersions names no other",
                    kind.storage_version()
                ),
                Err(error) => trouble = error.line(),
            }
        }
        if trouble != told && !trouble.is_empty() {
            tracing::warn!(
                error = trouble,
                "objects stored in an old version stay so for now"
            );
        }
        let pause = if trouble.is_empty() { LOOK_EVERY } else { RETRY };
        told = trouble;
        tokio::time::sleep(pause).await;
    }
}

/// One look at one kind: how many objects there are, if anything had to be done.
async fn bring_up(client: &Client, kind: Kind, term: &Term) -> Result<Option<usize>, CallError> {
    // Before the objects: whoever changes the storage version meanwhile changes the CRD, and it is not trimmed.
    let Some(definition) = get(client, kind).await? else {
        return Ok(None);
    };
    if !is_mixed(&definition, kind) {
        return Ok(None);
    }
    let Some(objects) = rewrite(client, kind, || term.may_write()).await? else {
        return Ok(None);
    };
    if !term.may_write() {
        return Ok(None);
    }
    trim(client, kind, definition).await?;
    Ok(Some(objects))
}

/// A kind's CustomResourceDefinition, if it is there.
pub(super) async fn get(client: &Client, kind: Kind) -> Result<Option<CustomResourceDefinition>, CallError> {
    let name = kind.definition_name();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    call(format!("get the CRD {name}"), api.get_opt(&name)).await
}

/// Whether objects may be stored in another version than today's. Not while today's is not the one we know: then it is
/// the CRD that has to be brought up first.
pub(super) fn is_mixed(definition: &CustomResourceDefinition, kind: Kind) -> bool {
    let versions = &definition.spec.versions;
    let is_current = versions
        .iter()
        .any(|version| version.storage && version.name == kind.storage_version());
    is_current
        && stored(definition)
            .iter()
            .any(|version| version != kind.storage_version())
}

fn stored(definition: &CustomResourceDefinition) -> &[String] {
    let status = definition.status.as_ref();
    status
        .and_then(|status| status.stored_versions.as_deref())
        .unwrap_or_default()
}

/// Writes all objects of a kind as they are, which stores them in today's version, and costs nothing where they are. One
/// that somebody else changed or deleted meanwhile has been written or is gone. Nothing is returned when `may_write`
/// said no; else how many objects there are.
pub(super) async fn rewrite(
    client: &Client,
    kind: Kind,
    may_write: impl Fn() -> bool,
) -> Result<Option<usize>, CallError> {
    let api = calls::objects(client, kind, kind.storage_version());
    let objects = calls::list(client, kind, kind.storage_version()).await?;
    let mut failed = None;
    for object in &objects {
        if !may_write() {
            return Ok(None);
        }
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let what = format!("write {} anew", object_name(kind, object));
        match call(what, api.replace(name, &PostParams::default(), object)).await {
            Err(error) if !error.is_conflict() && !error.is_missing() => failed = failed.or(Some(error)),
            _ => {}
        }
    }
    failed.map_or(Ok(Some(objects.len())), Err)
}

/// Says in the CRD that only today's version is stored, if it is still as it was when the objects were listed.
pub(super) async fn trim(
    client: &Client,
    kind: Kind,
    mut definition: CustomResourceDefinition,
) -> Result<(), CallError> {
    let name = kind.definition_name();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    definition.status.get_or_insert_default().stored_versions = Some(vec![kind.storage_version().to_owned()]);
    let params = PostParams::default();
    let write = api.replace_status(&name, &params, &definition);
    call(format!("trim storedVersions of the CRD {name}"), write)
        .await
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition(storage: &str, stored: &[&str]) -> CustomResourceDefinition {
        let mut definition = crate::api::crds::definition(Kind::ModulePullOverride).unwrap();
        for version in &mut definition.spec.versions {
            version.storage = version.name == storage;
        }
        definition.status = Some(serde_json::from_value(json!({"storedVersions": stored})).unwrap());
        definition
    }

    #[test]
    fn there_is_something_to_do_while_an_old_version_is_named() {
        let kind = Kind::ModulePullOverride;
        assert!(is_mixed(&definition("v1alpha2", &["v1alpha1", "v1alpha2"]), kind));
        assert!(!is_mixed(&definition("v1alpha2", &["v1alpha2"]), kind));
        assert!(!is_mixed(&definition("v1alpha1", &["v1alpha1"]), kind));
    }
}
