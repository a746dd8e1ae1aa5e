//! `/state`: the standalone world for people, as it is now, without credentials.

use super::blank;
use crate::api::Kind;
use crate::values::{nearest, quoted};
use crate::world::{Object, Shared};
use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;

/// How many names are compared for a suggestion, so that a question about a big world stays cheap.
const NAMES_COMPARED: usize = 1_000;

/// The routes, for the ops port: `GET /state` answers a `v1` `List` of all objects, `/state/<plural>` one of a kind's,
/// `/state/<plural>/<name>` an object; what is not there is 404 with one line of JSON.
pub fn router(world: Arc<Shared>) -> Router {
    Router::new()
        .route("/state", get(everything))
        .route("/state/{plural}", get(of_kind))
        .route("/state/{plural}/{name}", get(one))
        .with_state(world)
}

async fn everything(State(world): State<Arc<Shared>>) -> Response {
    let objects: Vec<Object> = {
        let world = world.read();
        Kind::ALL
            .into_iter()
            .flat_map(|kind| world.objects(kind))
            .collect()
    };
    list(&objects)
}

async fn of_kind(State(world): State<Arc<Shared>>, Path(plural): Path<String>) -> Response {
    let Some(kind) = Kind::from_plural(&plural) else {
        return unknown_plural(&plural);
    };
    let objects = world.read().objects(kind);
    list(&objects)
}

async fn one(State(world): State<Arc<Shared>>, Path((plural, name)): Path<(String, String)>) -> Response {
    let Some(kind) = Kind::from_plural(&plural) else {
        return unknown_plural(&plural);
    };
    let object = world.read().object(kind, &name);
    match object {
        Some(object) => pretty(&shown(&object)),
        None => unknown_name(kind, &name, &world.read().objects(kind)),
    }
}

fn list(objects: &[Object]) -> Response {
    let items: Vec<Value> = objects.iter().map(shown).collect();
    pretty(&json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": items}))
}

fn shown(object: &Object) -> Value {
    let mut value = object.to_value();
    blank::credentials(&mut value);
    value
}

fn unknown_plural(plural: &str) -> Response {
    let known = Kind::ALL.map(Kind::plural);
    let hint = match nearest(plural, known) {
        Some(near) => format!(", did you mean \"{near}\"?"),
        None => String::new(),
    };
    not_found(&format!(
        "no resource {}{hint} (there are {})",
        quoted(plural),
        known.join(", ")
    ))
}

fn unknown_name(kind: Kind, name: &str, objects: &[Object]) -> Response {
    let names = objects.iter().take(NAMES_COMPARED).map(Object::name);
    let hint = match nearest(name, names) {
        Some(near) => format!(", did you mean \"{near}\"?"),
        None => format!(": GET /state/{} lists them", kind.plural()),
    };
    not_found(&format!("no {kind} {}{hint}", quoted(name)))
}

fn not_found(message: &str) -> Response {
    json_response(StatusCode::NOT_FOUND, json!({"error": message}).to_string())
}

fn pretty(value: &Value) -> Response {
    // The alternate form of a value is indented JSON.
    json_response(StatusCode::OK, format!("{value:#}"))
}

fn json_response(status: StatusCode, mut body: String) -> Response {
    body.push('\n');
    (
        status,
        [(CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    async fn ask(path: &str) -> (StatusCode, String) {
        let mut world = World::new();
        for object in [
            json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource", "metadata": {"name": "example"},
                "spec": {"registry": {"repo": "registry.example.com/m", "dockerCfg": "hunter2"}},
            }),
            json!({
                "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "echo"},
                "spec": {"version": 1, "settings": {"password": "hunter2", "host": "db"}},
            }),
        ] {
            world.insert(Object::from_value(object).unwrap());
        }
        let router = router(Arc::new(Shared::new(world)));
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(!body.contains("hunter2"), "{body}");
        (status, body)
    }

    #[tokio::test]
    async fn lists_everything_in_the_order_of_kinds() {
        let (status, body) = ask("/state").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.starts_with("{\n  \"apiVersion\": \"v1\",\n"), "{body}");
        let list: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(list["kind"], "List");
        assert_eq!(list["items"][0]["kind"], "ModuleSource");
        assert_eq!(
            list["items"][1]["spec"]["settings"],
            json!({"host": "db", "password": "(not shown)"})
        );
    }

    #[tokio::test]
    async fn lists_a_kind_and_shows_an_object() {
        let (_, body) = ask("/state/moduleconfigs").await;
        let list: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let (_, body) = ask("/state/moduleconfigs/echo").await;
        let object: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(object["metadata"]["name"], "echo");
        let (status, body) = ask("/state/modules").await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("\"items\": []"), "{body}");
    }

    #[tokio::test]
    async fn says_in_one_line_what_is_not_there() {
        for (path, line) in [
            (
                "/state/moduleconfig",
                r#"{"error":"no resource \"moduleconfig\", did you mean \"moduleconfigs\"? (there are modulesources, moduleupdatepolicies, modulesettingsdefinitions, modules, moduleconfigs, modulepulloverrides, modulereleases)"}"#,
            ),
            (
                "/state/moduleconfigs/ecko",
                r#"{"error":"no ModuleConfig \"ecko\", did you mean \"echo\"?"}"#,
            ),
            (
                "/state/modules/ecko",
                r#"{"error":"no Module \"ecko\": GET /state/modules lists them"}"#,
            ),
        ] {
            let (status, body) = ask(path).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            assert_eq!(body.strip_suffix('\n'), Some(line));
        }
    }
}
