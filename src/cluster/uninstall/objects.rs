//! People's objects: freed of our finalizers, and at the very end deleted with their CRDs, if that is asked for.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::time::Instant;

use super::Work;
use crate::api::Kind;
use crate::api::installation::{NAME, PART_OF};
use crate::api::names::finalizer;
use crate::cluster::calls::{self, CallError, call, object_name};
use crate::cluster::stored_versions;

/// How often a change is tried that others get in the way of.
const TRIES: u8 = 5;
/// How long the deletion of a CRD's objects is waited for.
const DELETION: Duration = Duration::from_mins(1);
/// How often it is looked at meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Whether a CRD came with Hatchway: others define kinds of these names, too, and theirs are left alone.
pub(super) fn is_ours(definition: &CustomResourceDefinition) -> bool {
    let labels = definition.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.get(PART_OF).is_some_and(|part| part == NAME))
}

impl Work<'_> {
    /// Takes our finalizers off all objects of a kind: nobody would honour them any more.
    pub(super) async fn free(&mut self, kind: Kind) {
        let objects = match calls::list(&self.client, kind, kind.storage_version()).await {
            Ok(objects) => objects,
            // No CRD, no objects.
            Err(error) if error.is_missing() => return,
            Err(error) => return self.left(error.line()),
        };
        let mut freed = 0_usize;
        for object in objects.iter().filter(|object| keeps(object).is_some()) {
            match self.free_one(kind, object.clone()).await {
                Ok(()) => freed += 1,
                Err(error) => self.left(error.line()),
            }
        }
        if freed > 0 {
            let freed = counted(freed);
            self.done(&format!("took our finalizers off {freed} of {}", kind.plural()));
        }
    }

    async fn free_one(&self, kind: Kind, mut object: DynamicObject) -> Result<(), CallError> {
        let api = calls::objects(&self.client, kind, kind.storage_version());
        let title = object_name(kind, &object);
        let name = object.metadata.name.clone().unwrap_or_default();
        let params = PatchParams::default();
        let mut tries = 0;
        while let Some(finalizers) = keeps(&object) {
            let metadata =
                json!({"finalizers": finalizers, "resourceVersion": object.metadata.resource_version});
            let patch = Patch::Merge(json!({"metadata": metadata}));
            let change = api.patch(&name, &params, &patch);
            tries += 1;
            match call(format!("take our finalizers off {title}"), change).await {
                Ok(_) => break,
                Err(error) if error.is_missing() => break,
                Err(error) if error.is_conflict() && tries < TRIES => {}
                Err(error) => return Err(error),
            }
            match call(format!("get {title}"), api.get_opt(&name)).await? {
                Some(now) => object = now,
                None => break,
            }
        }
        Ok(())
    }

    /// Deletes our CRDs, and with them all objects, and waits until they are gone.
    pub(super) async fn delete_definitions(&mut self) {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let params = DeleteParams::default();
        let mut deleted = Vec::new();
        // Those first that refer to others.
        for kind in Kind::ALL.into_iter().rev() {
            let name = kind.definition_name();
            let Some(Some(definition)) = self.check_definition(kind).await else {
                continue;
            };
            if !is_ours(&definition) {
                self.left(format!(
                    "customresourcedefinition/{name} stays: it has no label {PART_OF}={NAME}"
                ));
                continue;
            }
            let objects = calls::list(&self.client, kind, kind.storage_version()).await;
            let count = objects.map_or_else(|_| "all objects".to_owned(), |objects| counted(objects.len()));
            let deletion = api.delete(&name, &params);
            match call(format!("delete the CRD {name}"), deletion).await {
                Ok(_) => {
                    self.done(&format!("deleted customresourcedefinition/{name} with {count}"));
                    deleted.push(kind);
                }
                Err(error) if error.is_missing() => {}
                Err(error) => self.left(error.line()),
            }
        }
        let end = Instant::now() + DELETION;
        for kind in deleted {
            self.until_gone(kind, end).await;
        }
    }

    async fn until_gone(&mut self, kind: Kind, end: Instant) {
        while let Some(Some(definition)) = self.check_definition(kind).await {
            if Instant::now() >= end {
                let conditions = definition
                    .status
                    .and_then(|status| status.conditions)
                    .unwrap_or_default();
                let why = conditions
                    .into_iter()
                    .find(|condition| condition.type_ == "Terminating");
                let why = why.and_then(|condition| condition.message).unwrap_or_default();
                let name = kind.definition_name();
                return self.left(format!(
                    "customresourcedefinition/{name} is still being deleted: {why}"
                ));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn check_definition(&mut self, kind: Kind) -> Option<Option<CustomResourceDefinition>> {
        let definition = stored_versions::get(&self.client, kind).await;
        self.check(definition)
    }
}

/// How many objects, in words.
pub(super) fn counted(objects: usize) -> String {
    match objects {
        1 => "1 object".to_owned(),
        more => format!("{more} objects"),
    }
}

/// The finalizers of others on an object that bears some of ours.
fn keeps(object: &DynamicObject) -> Option<Vec<String>> {
    let all = object.metadata.finalizers.as_ref()?;
    let others: Vec<String> = all
        .iter()
        .filter(|name| !finalizer::ALL.contains(&name.as_str()))
        .cloned()
        .collect();
    (others.len() < all.len()).then_some(others)
}
