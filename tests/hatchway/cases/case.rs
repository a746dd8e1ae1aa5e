//! One case, and how it is asked.

use hatchway::api::Kind;
use hatchway::review::Enforcement;
use hatchway::rules::{convert, rule};
use hatchway::webhook::Path;
use hatchway::world::{Object, World};
use regex::{Captures, Regex};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use std::time::Duration;

use super::{answer, pem};
use crate::support::reviewer::Reviewer;

const UID: &str = "705ab4f5-6393-11e8-b7cc-42010a800002";
/// Hatchway's own account; a case writes `user: trusted`.
const TRUSTED: &str = "system:serviceaccount:d8-system:hatchway";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) name: String,
    #[serde(default)]
    pub(super) rules: Vec<String>,
    #[serde(default)]
    pub(super) silent: Vec<String>,
    #[serde(default)]
    world: Vec<Value>,
    /// `warn`, as `--enforce`.
    enforce: Option<String>,
    /// Rules, as `--warn-only`.
    #[serde(default)]
    warn_only: Vec<String>,
    review: Ask,
    #[serde(default)]
    pub(super) verdict: Value,
}

/// A review in short; the rest of the envelope is filled in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Ask {
    #[serde(default = "validate")]
    path: String,
    kind: Option<String>,
    /// The storage version where it is left out.
    version: Option<String>,
    name: Option<String>,
    #[serde(default = "create")]
    operation: String,
    #[serde(default = "person")]
    user: String,
    object: Option<Value>,
    old_object: Option<Value>,
    #[serde(default)]
    dry_run: bool,
    /// Milliseconds after which the caller is answered in any case.
    patience: Option<u64>,
    /// The objects of a ConversionReview.
    #[serde(default)]
    objects: Vec<Value>,
    /// The version that they shall be in.
    to: Option<String>,
    /// A JSON Patch of the envelope.
    #[serde(default)]
    change: Vec<Value>,
    /// Texts to be replaced in the body, after all else. `${x*300}` stands for 300 of `x`, `${byte}` for a byte that
    /// is no UTF-8.
    #[serde(default)]
    text: Vec<(String, String)>,
}

fn validate() -> String {
    "validate".to_owned()
}

fn create() -> String {
    "CREATE".to_owned()
}

fn person() -> String {
    "kubernetes-admin".to_owned()
}

impl Case {
    /// The answer: the response, decoded and without its uid, or the HTTP error.
    pub(super) fn answer(&self) -> Value {
        let reviewer = Reviewer::new(world(&self.world)).enforcing(self.enforcement());
        let path = match self.review.path.as_str() {
            "validate" => Path::Validate,
            "mutate" => Path::Mutate,
            "convert" => Path::Convert,
            other => panic!("{}: no path {other}", self.name),
        };
        let body = self.review.body();
        let answer = match self.review.patience {
            Some(millis) => reviewer.answer_within(Duration::from_millis(millis), path, &body),
            None => reviewer.answer(path, &body),
        };
        answer::decoded(&answer)
    }

    fn enforcement(&self) -> Enforcement {
        match self.enforce.as_deref() {
            Some("warn") => Enforcement::warn(),
            None => Enforcement::warn_only(self.warn_only.iter().map(|number| rule(number).unwrap())),
            Some(other) => panic!("{}: no way to enforce {other}", self.name),
        }
    }
}

/// A world of objects written in short.
pub(crate) fn world(objects: &[Value]) -> World {
    let mut world = World::new();
    for object in objects {
        let text = fill(&whole(object).to_string());
        let mut object: Value = serde_json::from_slice(&text).unwrap();
        let kind = Kind::from_name(object["kind"].as_str().unwrap()).unwrap();
        convert::convert(&mut object, &format!("deckhouse.io/{}", kind.storage_version())).unwrap();
        world.insert(Object::from_value(object.clone()).unwrap_or_else(|error| panic!("{object}: {error}")));
    }
    world
}

impl Ask {
    fn body(&self) -> Vec<u8> {
        let mut review = if self.path == "convert" {
            self.conversion()
        } else {
            self.admission()
        };
        let change: json_patch::Patch = serde_json::from_value(Value::Array(self.change.clone())).unwrap();
        json_patch::patch(&mut review, &change).unwrap();
        let mut text = review.to_string();
        for (from, to) in &self.text {
            assert!(text.contains(from.as_str()), "the body has no {from}: {text}");
            text = text.replace(from.as_str(), to);
        }
        fill(&text)
    }

    fn conversion(&self) -> Value {
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "ConversionReview",
            "request": {
                "uid": UID,
                "desiredAPIVersion": format!("deckhouse.io/{}", self.to.as_deref().unwrap_or("v1alpha2")),
                "objects": self.objects.iter().map(whole).collect::<Vec<_>>(),
            },
        })
    }

    fn admission(&self) -> Value {
        let kind = self.kind.as_deref().unwrap_or("ModuleConfig");
        let ours = Kind::from_name(kind);
        let version = self
            .version
            .as_deref()
            .or(ours.map(Kind::storage_version))
            .unwrap_or("v1");
        let plural = ours.map_or_else(
            || format!("{}s", kind.to_lowercase()),
            |kind| kind.plural().to_owned(),
        );
        let resource = json!({"group": "deckhouse.io", "version": version, "resource": plural});
        let object =
            |object: &Option<Value>| object.as_ref().map(|object| self.object(object, kind, version));
        let (object, old) = (object(&self.object), object(&self.old_object));
        let user = if self.user == "trusted" {
            TRUSTED
        } else {
            &self.user
        };
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "request": {
                "uid": UID,
                "kind": {"group": "deckhouse.io", "version": version, "kind": kind},
                "resource": resource,
                "requestKind": {"group": "deckhouse.io", "version": version, "kind": kind},
                "requestResource": resource,
                "name": self.name.as_deref().unwrap_or("echo"),
                "operation": self.operation,
                "userInfo": {"username": user, "groups": ["system:authenticated"]},
                "object": object,
                "oldObject": old,
                "dryRun": self.dry_run,
                "options": {"kind": format!("{}Options", self.operation), "apiVersion": "meta.k8s.io/v1"},
            },
        })
    }

    fn object(&self, object: &Value, kind: &str, version: &str) -> Value {
        let Value::Object(fields) = object else {
            return object.clone();
        };
        let mut fields = fields.clone();
        fields.entry("kind").or_insert(json!(kind));
        fields.entry("version").or_insert(json!(version));
        fields
            .entry("name")
            .or_insert(json!(self.name.as_deref().unwrap_or("echo")));
        whole(&Value::Object(fields))
    }
}

/// An object written out: `version` becomes the apiVersion, what belongs there goes to the metadata.
pub(crate) fn whole(object: &Value) -> Value {
    let mut object = object.as_object().unwrap().clone();
    let mut metadata = match object.remove("metadata") {
        Some(Value::Object(metadata)) => metadata,
        Some(other) => panic!("metadata {other}"),
        None => Map::new(),
    };
    for key in [
        "name",
        "labels",
        "annotations",
        "deletionTimestamp",
        "ownerReferences",
        "finalizers",
        "managedFields",
    ] {
        if let Some(value) = object.remove(key) {
            metadata.insert(key.to_owned(), value);
        }
    }
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .and_then(Kind::from_name);
    let version = object
        .remove("version")
        .unwrap_or_else(|| json!(kind.map_or("v1", Kind::storage_version)));
    object
        .entry("apiVersion")
        .or_insert(json!(format!("deckhouse.io/{}", version.as_str().unwrap())));
    object.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(object)
}

static TOKEN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([a-z-]+)\}|\$\{(.+?)\*([0-9]+)\}").unwrap());

/// Fills in what stands for long or made things.
fn fill(text: &str) -> Vec<u8> {
    const BYTE: &str = "\u{10FFFF}";
    let filled = TOKEN.replace_all(text, |found: &Captures<'_>| {
        let what = found.get(1).or(found.get(2)).unwrap().as_str();
        match (found.get(3), what) {
            (Some(count), what) => what.repeat(count.as_str().parse().unwrap()),
            (None, "byte") => BYTE.to_owned(),
            (None, what) => {
                let pem = Value::String(pem::made(what)).to_string();
                pem[1..pem.len() - 1].to_owned()
            }
        }
    });
    let mut bytes = Vec::with_capacity(filled.len());
    for (i, part) in filled.split(BYTE).enumerate() {
        if i > 0 {
            bytes.push(0xFF);
        }
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}
