//! The AdmissionReview as it comes in. One pass over the bytes: what rules read is typed, what they may read stays
//! raw, the rest (managedFields above all) is skipped and not built.

use super::error::ReadReviewError;
use super::json::{self, ReadJsonError};
use super::strings::Strings;
use crate::api::Kind;
use crate::rules::{Body, Operation, Parts, Subject};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A review in wire form; `request` is there when it is one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an AdmissionReview object")]
struct Review<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

/// What the API server asks.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object in request")]
pub struct Request<'a> {
    /// Identifies the review; the answer repeats it.
    #[serde(borrow, default)]
    pub uid: Cow<'a, str>,
    /// Group, version and kind of the object.
    #[serde(borrow, default, deserialize_with = "or_default")]
    pub kind: GroupVersionKind<'a>,
    /// A part of the object, such as `status`; empty for the object itself.
    #[serde(borrow, default)]
    pub sub_resource: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    user_info: UserInfo<'a>,
    #[serde(borrow, default)]
    object: Option<WireObject<'a>>,
    #[serde(borrow, default)]
    old_object: Option<WireObject<'a>>,
}

/// Group, version and kind.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object in request.kind")]
pub struct GroupVersionKind<'a> {
    /// The API group.
    #[serde(borrow, default)]
    pub group: Cow<'a, str>,
    /// The version.
    #[serde(borrow, default)]
    pub version: Cow<'a, str>,
    /// The kind.
    #[serde(borrow, default)]
    pub kind: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object in request.userInfo")]
struct UserInfo<'a> {
    #[serde(borrow, default)]
    username: Option<Cow<'a, str>>,
}

#[derive(Debug, Deserialize)]
#[serde(
    rename_all = "camelCase",
    expecting = "an object in request.object and request.oldObject"
)]
struct WireObject<'a> {
    #[serde(borrow, default)]
    api_version: Cow<'a, str>,
    #[serde(borrow, default)]
    kind: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "or_default")]
    metadata: Metadata<'a>,
    #[serde(borrow, default)]
    spec: Option<&'a RawValue>,
    #[serde(borrow, default)]
    properties: Option<&'a RawValue>,
    #[serde(borrow, default)]
    status: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an object in metadata")]
struct Metadata<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(default)]
    deletion_timestamp: Option<IgnoredAny>,
    #[serde(borrow, default)]
    labels: Strings<'a>,
    #[serde(borrow, default)]
    annotations: Strings<'a>,
    #[serde(borrow, default)]
    owner_references: Option<&'a RawValue>,
    #[serde(borrow, default)]
    finalizers: Option<&'a RawValue>,
}

/// null is absence, as Go reads it.
fn or_default<'de, D: serde::Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// What to do with a review.
pub enum Ask<'a> {
    /// Judge it.
    Judge(Box<Judge<'a>>),
    /// Allow it: it is none of ours, and this is what to say.
    PassOver(Option<String>),
}

/// A review to be judged.
pub struct Judge<'a> {
    /// The object and what is done to it.
    pub subject: Subject,
    /// Name of the user who asks.
    pub user: Cow<'a, str>,
    /// A part nested too deep, which is refused rather than unreadable.
    pub too_deep: Option<&'static str>,
}

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";
const NEW: &str = "request.object";
const OLD: &str = "request.oldObject";

/// Reads the envelope.
///
/// # Errors
/// [`ReadReviewError`]
pub fn read(body: &[u8]) -> Result<Request<'_>, ReadReviewError> {
    let text = std::str::from_utf8(body).map_err(|error| ReadReviewError::Utf8(error.valid_up_to()))?;
    // serde would read a list as an object whose keys stand in order.
    if text.trim_start().starts_with('[') {
        return Err(ReadReviewError::Json(
            "expected an object, found a list".to_owned(),
        ));
    }
    let review: Review<'_> =
        serde_json::from_str(text).map_err(|error| ReadReviewError::Json(error.to_string()))?;
    if review.api_version != API_VERSION || review.kind != KIND {
        return Err(ReadReviewError::Type {
            wanted_version: API_VERSION,
            wanted_kind: KIND,
            version: review.api_version.into_owned(),
            kind: review.kind.into_owned(),
        });
    }
    let request = review.request.ok_or(ReadReviewError::Missing {
        field: "request",
        hint: "say what is being done to which object",
    })?;
    if request.uid.is_empty() {
        return Err(ReadReviewError::Missing {
            field: "request.uid",
            hint: "give the review an id, the answer repeats it",
        });
    }
    Ok(request)
}

impl<'a> Request<'a> {
    /// The kind, if it is ours.
    pub fn our_kind(&self) -> Option<Kind> {
        if self.kind.group == crate::api::GROUP {
            Kind::from_name(&self.kind.kind)
        } else {
            None
        }
    }

    /// The operation, if it is one that is judged.
    pub fn judged_operation(&self) -> Option<Operation> {
        match self.operation.as_ref() {
            "CREATE" => Some(Operation::Create),
            "UPDATE" => Some(Operation::Update),
            "DELETE" => Some(Operation::Delete),
            _ => None,
        }
    }

    /// The body of the object as it shall be, for the mutating side, which never refuses; `None` where there is
    /// nothing to fill in: not ours, on its way out, or nested too deep.
    ///
    /// # Errors
    /// [`ReadReviewError`] where the body cannot be read for sure.
    pub fn body_to_fill(&self) -> Result<Option<(Kind, &'static str, Value)>, ReadReviewError> {
        let Some((kind, version, raw)) = self.raw_body_to_fill() else {
            return Ok(None);
        };
        match json::read(raw.get()) {
            Ok(value) => Ok(Some((kind, version, value))),
            Err(ReadJsonError::TooDeep) => Ok(None),
            Err(source) => Err(ReadReviewError::Part {
                field: format!("request.object.{}", kind.body()),
                source,
            }),
        }
    }

    fn raw_body_to_fill(&self) -> Option<(Kind, &'static str, &'a RawValue)> {
        let kind = self.our_kind()?;
        let version = kind.version(&self.kind.version)?;
        let is_write = matches!(self.judged_operation()?, Operation::Create | Operation::Update);
        let object = self.object.as_ref().filter(|_| is_write && self.is_whole())?;
        let is_leaving = |object: &WireObject<'_>| object.metadata.deletion_timestamp.is_some();
        if is_leaving(object) || self.old_object.as_ref().is_some_and(is_leaving) {
            return None;
        }
        Some((kind, version, object.body(kind)?))
    }

    /// Whether the review is about the object itself and not about a part such as `status`.
    pub fn is_whole(&self) -> bool {
        self.sub_resource.as_ref().is_none_or(|part| part.is_empty())
    }

    /// Whether what both need is there, for either webhook.
    ///
    /// # Errors
    /// [`ReadReviewError`]
    pub fn check(&self) -> Result<(), ReadReviewError> {
        let missing = |field, hint| Err(ReadReviewError::Missing { field, hint });
        let operation = match self.operation.as_ref() {
            "CONNECT" => return Ok(()),
            "" => return missing("request.operation", "use CREATE, UPDATE, DELETE or CONNECT"),
            _ => self
                .judged_operation()
                .ok_or_else(|| ReadReviewError::Operation(self.operation.clone().into_owned()))?,
        };
        if self.kind.kind.is_empty() {
            return missing("request.kind", "say group, version and kind of the object");
        }
        if operation != Operation::Delete && self.object.is_none() {
            return missing(NEW, "CREATE and UPDATE carry the object as it shall be");
        }
        if operation != Operation::Create && self.old_object.is_none() {
            return missing(OLD, "UPDATE and DELETE carry the object as it was");
        }
        for (field, object) in [(NEW, &self.object), (OLD, &self.old_object)] {
            if let Some(object) = object {
                self.check_kind(field, object)?;
            }
        }
        Ok(())
    }

    fn check_kind(&self, field: &'static str, object: &WireObject<'_>) -> Result<(), ReadReviewError> {
        let GroupVersionKind { group, version, kind } = &self.kind;
        let api_version = if group.is_empty() {
            version.to_string()
        } else {
            format!("{group}/{version}")
        };
        if object.kind == *kind && object.api_version == api_version {
            return Ok(());
        }
        Err(ReadReviewError::Mismatch {
            field,
            expected: format!("{api_version} {kind}"),
            found: format!("{} {}", object.api_version, object.kind),
        })
    }

    /// What the validating webhook is asked.
    ///
    /// # Errors
    /// [`ReadReviewError`]
    pub fn into_ask(self) -> Result<Ask<'a>, ReadReviewError> {
        self.check()?;
        if !self.is_whole() {
            return Ok(Ask::PassOver(None));
        }
        let GroupVersionKind { group, version, kind } = &self.kind;
        let Some(our_kind) = self.our_kind() else {
            return Ok(Ask::PassOver(Some(format!(
                "{kind} of group '{group}' is not judged here: leave it out of Hatchway's webhook configuration"
            ))));
        };
        let Some(our_version) = our_kind.version(version) else {
            let served: Vec<&str> = our_kind.served().iter().map(|served| served.version).collect();
            return Ok(Ask::PassOver(Some(format!(
                "{kind} in version '{version}' is not judged, Hatchway knows {}",
                served.join(", ")
            ))));
        };
        let Some(operation) = self.judged_operation() else {
            return Ok(Ask::PassOver(Some(format!(
                "{} of a {kind} is not judged",
                self.operation
            ))));
        };
        let user = self.user_info.username.clone().unwrap_or_default();
        let (subject, too_deep) = self.subject(our_kind, our_version, operation)?;
        Ok(Ask::Judge(Box::new(Judge {
            subject,
            user,
            too_deep,
        })))
    }

    fn subject(
        self,
        kind: Kind,
        version: &'static str,
        operation: Operation,
    ) -> Result<(Subject, Option<&'static str>), ReadReviewError> {
        // What comes beside the objects that an operation has is not looked at.
        let new = self.object.filter(|_| operation != Operation::Delete);
        let old = self.old_object.filter(|_| operation != Operation::Create);
        let pair = new.as_ref().zip(old.as_ref());
        let same_body = pair.is_some_and(|(new, old)| same(new.body(kind), old.body(kind)));
        let same_metadata = pair.is_some_and(|(new, old)| new.metadata.same_as(&old.metadata));
        let mut reader = Reader {
            kind,
            version,
            operation,
            same_body,
            same_metadata,
            too_deep: None,
        };
        // On DELETE the name is the old object's: deletions of collections carry none of their own.
        let named = new
            .as_ref()
            .or(old.as_ref())
            .and_then(|object| object.metadata.name.clone());
        let name = named
            .filter(|name| !name.is_empty())
            .or(self.name)
            .unwrap_or_default()
            .into_owned();
        let new = new.map(|object| reader.parts(NEW, &object)).transpose()?;
        let old = old.map(|object| reader.parts(OLD, &object)).transpose()?;
        let body_changed = match (&new, &old) {
            _ if same_body => false,
            (Some(new), Some(old)) => new.body != old.body,
            _ => true,
        };
        let metadata_changed = !same_metadata;
        let subject = Subject {
            kind,
            version,
            operation,
            name,
            new,
            old,
            body_changed,
            metadata_changed,
        };
        Ok((subject, reader.too_deep))
    }
}

impl<'a> WireObject<'a> {
    fn body(&self, kind: Kind) -> Option<&'a RawValue> {
        if kind == Kind::Module {
            self.properties
        } else {
            self.spec
        }
    }
}

impl Metadata<'_> {
    fn same_as(&self, other: &Self) -> bool {
        self.labels.same_as(&other.labels)
            && self.annotations.same_as(&other.annotations)
            && same(self.owner_references, other.owner_references)
            && same(self.finalizers, other.finalizers)
    }
}

/// Whether two raw values are the same to the letter, as the API server writes them.
fn same(one: Option<&RawValue>, other: Option<&RawValue>) -> bool {
    one.map(RawValue::get) == other.map(RawValue::get)
}

/// Builds what rules read, and no more than this review needs.
struct Reader {
    kind: Kind,
    version: &'static str,
    operation: Operation,
    same_body: bool,
    same_metadata: bool,
    too_deep: Option<&'static str>,
}

impl Reader {
    fn parts(&mut self, object_path: &str, object: &WireObject<'_>) -> Result<Parts, ReadReviewError> {
        let metadata = &object.metadata;
        let mut parts = Parts {
            being_deleted: metadata.deletion_timestamp.is_some(),
            ..Parts::default()
        };
        if !(self.same_metadata && self.same_body) {
            parts.labels = strings(object_path, "labels", &metadata.labels)?;
            parts.annotations = strings(object_path, "annotations", &metadata.annotations)?;
        }
        if !self.same_body {
            parts.body = self.body(object_path, object)?;
        }
        if self.operation == Operation::Delete {
            parts.owners = owners(metadata.owner_references);
            parts.phase = object.status.and_then(phase);
        }
        Ok(parts)
    }

    fn body(&mut self, object_path: &str, object: &WireObject<'_>) -> Result<Body, ReadReviewError> {
        let Some(raw) = object.body(self.kind) else {
            return Ok(Body::default());
        };
        match json::read(raw.get()) {
            Ok(value) => Ok(Body::new(self.kind, self.version, value)),
            Err(ReadJsonError::TooDeep) => {
                // Only what shall be is refused: what is there already must be free to go or to be mended (AD-8).
                if object_path == NEW {
                    self.too_deep = Some(self.kind.body());
                }
                Ok(Body::default())
            }
            Err(source) => Err(ReadReviewError::Part {
                field: format!("{object_path}.{}", self.kind.body()),
                source,
            }),
        }
    }
}

fn strings(
    object_path: &str,
    part: &str,
    entries: &Strings<'_>,
) -> Result<BTreeMap<String, String>, ReadReviewError> {
    entries.ours().map_err(|source| ReadReviewError::Part {
        field: format!("{object_path}.metadata.{part}"),
        source,
    })
}

fn owners(raw: Option<&RawValue>) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Owner {
        kind: String,
        name: String,
    }
    let owners = raw.and_then(|raw| serde_json::from_str::<Vec<Owner>>(raw.get()).ok());
    owners
        .into_iter()
        .flatten()
        .map(|Owner { kind, name }| (kind, name))
        .collect()
}

fn phase(raw: &RawValue) -> Option<String> {
    let status: Map<String, Value> = serde_json::from_str(raw.get()).ok()?;
    status.get("phase")?.as_str().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_review_whatever_stands_in_it() {
        let list = br#"["admission.k8s.io/v1", "AdmissionReview", {"uid": "1"}]"#;
        assert!(matches!(read(list), Err(ReadReviewError::Json(_))));
        assert!(read(br#" {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "1"}}"#).is_ok());
    }
}
