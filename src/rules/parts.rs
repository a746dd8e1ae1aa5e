//! What is judged, in the pieces that rules read.

use super::schema;
use crate::api::{Kind, names};
use crate::values::parse_bool;
use serde_json::Value;
use std::collections::BTreeMap;

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It is made.
    Create,
    /// It is changed.
    Update,
    /// It is removed.
    Delete,
}

impl Operation {
    /// The name that an AdmissionReview uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// An operation on an object of one of our kinds.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The object's kind.
    pub kind: Kind,
    /// The version that the object is written in.
    pub version: &'static str,
    /// What is being done.
    pub operation: Operation,
    /// The object's name.
    pub name: String,
    /// The object as it shall be; absent on DELETE.
    pub new: Option<Parts>,
    /// The object as it was; absent on CREATE.
    pub old: Option<Parts>,
    /// Whether the body differs between the two; true on CREATE and DELETE.
    pub body_changed: bool,
    /// Whether labels, annotations or what else people set in the metadata differ.
    pub metadata_changed: bool,
}

/// The parts of an object that rules read.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    /// Whether it carries a `deletionTimestamp`.
    pub being_deleted: bool,
    /// Labels that are ours.
    pub labels: BTreeMap<String, String>,
    /// Annotations that are ours.
    pub annotations: BTreeMap<String, String>,
    /// Kind and name of its owners.
    pub owners: Vec<(String, String)>,
    /// `status.phase`, where a rule asks for it.
    pub phase: Option<String>,
    /// `spec`, or `properties` of a Module.
    pub body: Body,
}

/// What people write, brought to the shape that the schema knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// The value; null where the object has none, or where it was not read because nothing in it changed.
    pub value: Value,
    /// Paths of fields that the schema does not know: the API server drops them.
    pub unknown: Vec<String>,
}

impl Body {
    /// Takes a body in as the API server would: nulls in optional fields count as absent, unknown fields are
    /// dropped and remembered.
    pub fn new(kind: Kind, version: &str, mut value: Value) -> Self {
        let mut unknown = Vec::new();
        schema::prune(kind, version, &mut value, &mut unknown);
        Self { value, unknown }
    }
}

impl Parts {
    /// Whether a boolean annotation says yes.
    pub fn says(&self, annotation: &str) -> bool {
        self.annotations
            .get(annotation)
            .is_some_and(|value| parse_bool(value) == Ok(true))
    }

    /// The parts of a whole object, for documents that did not come in a review.
    pub fn from_value(kind: Kind, version: &str, object: &Value) -> Self {
        let metadata = &object["metadata"];
        let strings = |value: &Value| {
            let pairs = value.as_object().into_iter().flatten();
            let ours = pairs.filter(|(key, _)| is_ours(key));
            ours.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
                .collect()
        };
        let owner = |owner: &Value| {
            Some((
                owner["kind"].as_str()?.to_owned(),
                owner["name"].as_str()?.to_owned(),
            ))
        };
        Self {
            being_deleted: !metadata["deletionTimestamp"].is_null(),
            labels: strings(&metadata["labels"]),
            annotations: strings(&metadata["annotations"]),
            owners: metadata["ownerReferences"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(owner)
                .collect(),
            phase: object["status"]["phase"].as_str().map(str::to_owned),
            body: Body::new(
                kind,
                version,
                object.get(kind.body()).cloned().unwrap_or_default(),
            ),
        }
    }
}

/// Whether rules may read the label or annotation of that key.
pub fn is_ours(key: &str) -> bool {
    let is_label = matches!(
        key,
        names::label::UPDATE_POLICY | names::label::MODULE | names::label::SOURCE
    );
    is_label
        || names::annotation::PREFIXES
            .iter()
            .any(|prefix| key.starts_with(prefix))
}
