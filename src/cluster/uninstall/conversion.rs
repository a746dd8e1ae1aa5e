//! The end of the conversion: everything is stored in today's version first, with nothing lost.
//!
//! While `/convert` is answered, the API server converts, and every object is written as it is. When nobody answers,
//! objects stored in an old version can be neither read nor listed in today's. Then the conversion is set to `None`
//! first: the API server changes nothing but `apiVersion` from there on, and drops what the version that is asked for
//! does not know. Read as v1alpha1, which knows all that v1alpha2 does, an object is whole, whatever it is stored as;
//! what only v1alpha1 can say stands in a field if and only if it was stored as v1alpha1 (rule CV-1), and goes into the
//! annotation with the very write that stores it anew. Defaults that differ by version are no trouble: an API server
//! fills them in by the version that an object is stored in, before it converts.

use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::Work;
use super::objects::{counted, is_ours};
use crate::api::names::annotation::V1ALPHA1_FIELDS;
use crate::api::{GROUP, Kind};
use crate::cluster::calls::{self, CallError, call, object_name};
use crate::cluster::stored_versions::{self, is_mixed};
use crate::rules::convert;

/// How long an API server may take to go by a changed CRD.
const TAKEN_IN: Duration = Duration::from_secs(30);
/// How often it is asked meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often an object is written that others write at the same time.
const TRIES: u8 = 5;
/// The version that can say everything.
const WIDEST: &str = "v1alpha1";

impl Work<'_> {
    /// Stores all objects of a kind in today's version, says so in the CRD, and ends the conversion.
    pub(super) async fn convert(&mut self, kind: Kind) {
        let definition = stored_versions::get(&self.client, kind).await;
        let Some(Some(definition)) = self.check(definition) else {
            return;
        };
        // Of others' definitions, `--crds` tells that they stay.
        if is_ours(&definition) {
            let done = self.convert_ours(kind, definition).await;
            self.check(done);
        }
    }

    async fn convert_ours(
        &mut self,
        kind: Kind,
        definition: CustomResourceDefinition,
    ) -> Result<(), CallError> {
        let name = kind.definition_name();
        let conversion = definition.spec.conversion.as_ref();
        let is_converted = conversion.is_some_and(|conversion| conversion.strategy != "None");
        let is_mixed = is_mixed(&definition, kind);
        let mut to_rewrite = is_mixed;
        if is_mixed && is_converted {
            match stored_versions::rewrite(&self.client, kind, || true).await {
                Ok(_) => to_rewrite = false,
                Err(error) if error.is_its_own() => {}
                Err(error) => return Err(error),
            }
        }
        if is_converted {
            end(&self.client, kind).await?;
            self.done(&format!(
                "set the conversion of customresourcedefinition/{name} to None"
            ));
        }
        if to_rewrite {
            let objects = rewrite_unconverted(&self.client, kind).await?;
            self.done(&format!(
                "wrote {} of {} anew without a webhook, as {}",
                counted(objects),
                kind.plural(),
                kind.storage_version()
            ));
        }
        if is_mixed {
            trim(&self.client, kind).await?;
            self.done(&format!(
                "trimmed storedVersions of customresourcedefinition/{name} to {}",
                kind.storage_version()
            ));
        }
        Ok(())
    }
}

async fn end(client: &kube::Client, kind: Kind) -> Result<(), CallError> {
    let name = kind.definition_name();
    let api: Api<CustomResourceDefinition> = Api::all(client.clone());
    let patch = Patch::Merge(json!({"spec": {"conversion": {"strategy": "None", "webhook": null}}}));
    let params = PatchParams::default();
    let change = api.patch(&name, &params, &patch);
    call(format!("end the conversion of the CRD {name}"), change)
        .await
        .map(drop)
}

/// With everything written already, only another change of the CRD may get in the way.
async fn trim(client: &kube::Client, kind: Kind) -> Result<(), CallError> {
    let mut tries = 0;
    loop {
        let Some(definition) = stored_versions::get(client, kind).await? else {
            return Ok(());
        };
        tries += 1;
        match stored_versions::trim(client, kind, definition).await {
            Err(error) if error.is_conflict() && tries < TRIES => {}
            done => return done,
        }
    }
}

/// Writes all objects anew under the strategy `None`; returns how many there are.
async fn rewrite_unconverted(client: &kube::Client, kind: Kind) -> Result<usize, CallError> {
    let end = Instant::now() + TAKEN_IN;
    let objects = loop {
        match calls::list(client, kind, WIDEST).await {
            // It does not know yet that nobody needs to be asked.
            Err(error) if error.is_its_own() && Instant::now() < end => tokio::time::sleep(LOOK_EVERY).await,
            objects => break objects?,
        }
    };
    let mut failed = None;
    for object in &objects {
        if let Err(error) = rewrite_one(client, kind, object.clone(), end).await {
            failed = failed.or(Some(error));
        }
    }
    failed.map_or(Ok(objects.len()), Err)
}

async fn rewrite_one(
    client: &kube::Client,
    kind: Kind,
    mut object: DynamicObject,
    end: Instant,
) -> Result<(), CallError> {
    let widest = calls::objects(client, kind, WIDEST);
    let today = calls::objects(client, kind, kind.storage_version());
    let title = object_name(kind, &object);
    let name = object.metadata.name.clone().unwrap_or_default();
    let params = PatchParams::default();
    let mut tries = 0;
    loop {
        let patch = Patch::Merge(patch(kind, &object));
        let change = today.patch(&name, &params, &patch);
        tries += 1;
        match call(format!("write {title} anew"), change).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_missing() => return Ok(()),
            Err(error) if error.is_conflict() && tries < TRIES => {}
            Err(error) if error.is_its_own() && Instant::now() < end => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return Err(error),
        }
        match call(format!("get {title}"), widest.get_opt(&name)).await? {
            Some(now) => object = now,
            None => return Ok(()),
        }
    }
}

/// What makes of an object, as the API server stores it anew in today's version, what the conversion would have: the
/// annotation with the fields that only v1alpha1 knows. Nothing where it has no such field; an annotation without the
/// field came with an object that is stored in today's version, and stays.
fn patch(kind: Kind, object: &DynamicObject) -> Value {
    let mut metadata = json!({"resourceVersion": object.metadata.resource_version});
    let before = annotation(&json!(object.metadata));
    let mut converted = serde_json::to_value(object).unwrap_or_default();
    converted["apiVersion"] = json!(format!("{GROUP}/{WIDEST}"));
    converted["kind"] = json!(kind.name());
    // What cannot be converted has no spec, and so no field of it either.
    if convert::convert(&mut converted, &format!("{GROUP}/{}", kind.storage_version())).is_ok()
        && let Some(fields) = annotation(&converted["metadata"])
        && before.as_ref() != Some(&fields)
    {
        metadata["annotations"] = json!({V1ALPHA1_FIELDS: fields});
    }
    json!({"metadata": metadata})
}

fn annotation(metadata: &Value) -> Option<String> {
    metadata["annotations"][V1ALPHA1_FIELDS]
        .as_str()
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(annotations: &Value, spec: &Value) -> Value {
        let object = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModulePullOverride",
            "metadata": {"name": "echo", "resourceVersion": "7", "annotations": annotations}, "spec": spec,
        });
        let mut patch = patch(Kind::ModulePullOverride, &serde_json::from_value(object).unwrap());
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
        patch["metadata"]["annotations"].take()
    }

    #[test]
    fn what_only_v1alpha1_can_say_goes_into_the_annotation() {
        let annotations = patched(
            &json!({"a": "b"}),
            &json!({"imageTag": "main", "source": "example"}),
        );
        assert_eq!(annotations, json!({V1ALPHA1_FIELDS: r#"{"source":"example"}"#}));
        let stale = json!({V1ALPHA1_FIELDS: r#"{"source":"stale"}"#});
        assert_eq!(
            patched(&stale, &json!({"imageTag": "main", "source": "example"})),
            annotations
        );
    }

    #[test]
    fn an_object_of_today_keeps_its_annotation() {
        for text in [r#"{"source":"example"}"#, "unreadable"] {
            let annotations = json!({V1ALPHA1_FIELDS: text});
            assert_eq!(patched(&annotations, &json!({"imageTag": "main"})), json!(null));
        }
        assert_eq!(patched(&json!({}), &json!({"imageTag": "main"})), json!(null));
    }
}
