//! Objects as an API server sends them: raw, so that one that cannot be read spoils no list.

use super::apply::LAST_APPLIED;
use super::intake::{self, Misfit};
use super::trouble::Trouble;
use crate::api::{GROUP, Kind};
use crate::world::Object;
use futures_util::{AsyncBufReadExt as _, Stream, StreamExt as _};
use http::HeaderValue;
use http::header::ACCEPT_ENCODING;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, Status};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;
use tokio::time::timeout;

/// Objects per request. client-go asks for 500; what is in flight of seven kinds at once stays with the allocator
/// afterwards, and ten thousand objects are here a quarter of a second later for it.
pub(super) const PAGE: u32 = 100;

/// An object of which only its head was looked at.
pub(super) type Raw = Box<RawValue>;

/// A part of a list.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    #[serde(default)]
    pub(super) metadata: ListMeta,
    #[serde(default)]
    pub(super) items: Vec<Raw>,
}

/// What can be read of every object.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) metadata: HeadMeta,
}

/// The part of the metadata that names an object and its state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HeadMeta {
    #[serde(default)]
    pub(super) name: String,
    #[serde(default)]
    pub(super) resource_version: String,
}

/// The path under which all objects of a kind are, in the version that is stored.
pub(super) fn path(kind: Kind) -> String {
    format!("/apis/{GROUP}/{}/{}", kind.storage_version(), kind.plural())
}

/// A page of a kind's list: the first, or the one that a token leads to.
pub(super) async fn page(
    client: &Client,
    kind: Kind,
    token: Option<String>,
    patience: Duration,
) -> Result<Page, Trouble> {
    let parameters = ListParams {
        limit: Some(PAGE),
        continue_token: token,
        ..ListParams::default()
    };
    let request = Request::new(path(kind))
        .list(&parameters)
        .map_err(|error| Trouble::of(&kube::Error::BuildRequest(error), "list", kind))?;
    match timeout(patience, client.request::<Page>(request)).await {
        Ok(page) => page.map_err(|error| Trouble::of(&error, "list", kind)),
        Err(_) => Err(Trouble::silent("list", kind, patience)),
    }
}

/// What a watch tells.
#[derive(Debug)]
pub(super) enum Change {
    /// An object is new or has changed.
    Put(Raw),
    /// An object is gone; this is what it was last.
    Gone(Raw),
    /// Nothing has changed up to this version.
    Nothing(String),
}

/// Opens a watch of a kind from a version on, which the API server is to end after so many seconds.
pub(super) async fn watch(
    client: &Client,
    kind: Kind,
    from: &str,
    seconds: u32,
    patience: Duration,
) -> Result<impl Stream<Item = Result<Change, Trouble>> + use<>, Trouble> {
    let trouble = |error: &kube::Error| Trouble::of(error, "watch", kind);
    let mut request = Request::new(path(kind))
        .watch(&WatchParams::default().timeout(seconds), from)
        .map_err(|error| trouble(&kube::Error::BuildRequest(error)))?;
    // From 1.37 on, API servers compress each event by itself, of which a decompressor reads only the first.
    request
        .headers_mut()
        .insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let stream = timeout(patience, client.request_stream(request))
        .await
        .map_err(|_| Trouble::silent("watch", kind, patience))?
        .map_err(|error| trouble(&error))?;
    let lines = Box::pin(stream).lines();
    Ok(lines.map(move |line| {
        let line = line.map_err(|error| Trouble::broken_off(&error, kind))?;
        change(&line, kind)
    }))
}

/// A line of a watch's answer: the object raw, in whichever order its fields come.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(rename = "type")]
    sort: String,
    object: Raw,
}

fn change(line: &str, kind: Kind) -> Result<Change, Trouble> {
    let refusal = |text: &str| {
        let status = serde_json::from_str::<Status>(text).ok();
        let status = status.filter(|status| status.code > 0);
        status.map_or_else(
            || Trouble::unreadable("watch", kind),
            |status| Trouble::answered(&status, "watch", kind),
        )
    };
    let Line { sort, object } = serde_json::from_str(line).map_err(|_| refusal(line))?;
    match sort.as_str() {
        "ADDED" | "MODIFIED" => Ok(Change::Put(object)),
        "DELETED" => Ok(Change::Gone(object)),
        "BOOKMARK" => {
            let head = serde_json::from_str::<Head>(object.get());
            let version = head.map(|head| head.metadata.resource_version);
            Ok(Change::Nothing(version.unwrap_or_default()))
        }
        _ => Err(refusal(object.get())),
    }
}

/// Name and version of an object; `None` for what is no object at all.
pub(super) fn head(raw: &RawValue) -> Option<HeadMeta> {
    let head: Head = serde_json::from_str(raw.get()).ok()?;
    Some(head.metadata).filter(|head| !head.name.is_empty())
}

/// The object as it is kept: without what only its API server and kubectl have a use for, which is more than half of
/// a small object.
pub(super) fn object(kind: Kind, raw: &RawValue) -> Result<Object, Misfit> {
    let mut value: Value = serde_json::from_str(raw.get()).map_err(|_| {
        Misfit::new(
            kind.body(),
            "is nested deeper than 128 levels, or holds a number beyond 64 bits",
        )
    })?;
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    intake::to_stored(kind, value)
}

/// Why an object cannot be read, without any value of it.
pub(super) fn why(misfit: &Misfit) -> String {
    format!("{} {}", misfit.field, misfit.message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::trouble::Cause;
    use serde_json::json;

    fn raw(value: &Value) -> Raw {
        RawValue::from_string(value.to_string()).unwrap()
    }

    #[test]
    fn drops_what_only_its_server_and_kubectl_have_a_use_for() {
        let object = object(
            Kind::ModuleConfig,
            &raw(&json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig",
                "metadata": {
                    "name": "echo", "managedFields": [{"manager": "kubectl"}],
                    "annotations": {LAST_APPLIED: "{}", "modules.deckhouse.io/allow-disabling": "true"},
                },
                "spec": {},
            })),
        )
        .unwrap();
        assert_eq!(
            object.to_value()["metadata"],
            json!({"name": "echo", "annotations": {"modules.deckhouse.io/allow-disabling": "true"}})
        );
    }

    #[test]
    fn a_line_of_a_watch_is_read_in_any_order() {
        let object = r#"{"metadata":{"name":"a","resourceVersion":"7"}}"#;
        for line in [
            format!(r#"{{"type":"ADDED","object":{object}}}"#),
            format!(r#"{{"object":{object},"type":"MODIFIED"}}"#),
        ] {
            let Ok(Change::Put(raw)) = change(&line, Kind::ModuleConfig) else {
                panic!("{line}");
            };
            assert_eq!(raw.get(), object);
        }
        let gone = r#"{"kind":"Status","code":410,"message":"too old resource version"}"#;
        for line in [gone.to_owned(), format!(r#"{{"type":"ERROR","object":{gone}}}"#)] {
            let trouble = change(&line, Kind::ModuleConfig).unwrap_err();
            assert_eq!(trouble.cause, Cause::Expired);
        }
        let half = change(r#"{"type":"ADDED","obj"#, Kind::ModuleConfig).unwrap_err();
        assert_eq!(half.cause, Cause::Unreadable);
    }

    #[test]
    fn what_is_nested_without_end_still_has_a_name() {
        let deep = "[".repeat(1000) + &"]".repeat(1000);
        let text = format!(
            r#"{{"apiVersion":"deckhouse.io/v1alpha1","kind":"ModuleConfig","spec":{{"settings":{{"a":{deep}}}}},
                "metadata":{{"name":"echo","resourceVersion":"7"}}}}"#
        );
        let page: Page = serde_json::from_str(&format!(r#"{{"items":[{text}]}}"#)).unwrap();
        let head = head(&page.items[0]).unwrap();
        assert_eq!(
            (head.name.as_str(), head.resource_version.as_str()),
            ("echo", "7")
        );
        let misfit = object(Kind::ModuleConfig, &page.items[0]).unwrap_err();
        assert!(why(&misfit).starts_with("spec is nested deeper"), "{misfit:?}");
    }
}
