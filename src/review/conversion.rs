//! ConversionReviews: lists of objects brought to one version (CV-1). Needs no world.

use super::json;
use crate::rules::convert::{self, Note};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

const API_VERSION: &str = "apiextensions.k8s.io/v1";
const KIND: &str = "ConversionReview";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a ConversionReview object")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

#[derive(Deserialize)]
#[serde(expecting = "an object in request")]
struct Request {
    #[serde(default)]
    uid: String,
    #[serde(rename = "desiredAPIVersion", default)]
    desired_api_version: String,
    #[serde(default)]
    objects: Option<Vec<Strict>>,
}

/// An object in which no key stands twice: which of the two would be converted?
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::strict(deserializer).map(Self)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    uid: String,
    converted_objects: Vec<Value>,
    result: Value,
}

/// What came of a ConversionReview.
pub struct Converted {
    /// The review as it goes out.
    pub json: Vec<u8>,
    /// Whether every object was converted.
    pub ok: bool,
    /// Names of objects whose annotation could not be read and was ignored.
    pub unreadable: Vec<String>,
}

/// Converts the objects of a review.
///
/// # Errors
/// What is wrong with the envelope, in one line: HTTP 400 (AD-1).
pub fn convert(body: &[u8]) -> Result<Converted, String> {
    let text = std::str::from_utf8(body).map_err(|error| {
        format!(
            "the body is not UTF-8 (byte {}): send JSON in UTF-8",
            error.valid_up_to()
        )
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // What is nested at will are the objects, and they have a limit of their own.
    deserializer.disable_recursion_limit();
    let review: Review = Review::deserialize(&mut deserializer)
        .and_then(|review| deserializer.end().map(|()| review))
        .map_err(|error| format!("the body is no ConversionReview: {}", json::message(&error)))?;
    if review.api_version != API_VERSION || review.kind != KIND {
        return Err(format!(
            "expected apiVersion '{API_VERSION}' and kind '{KIND}', found '{}' and '{}': send {API_VERSION} {KIND}",
            review.api_version, review.kind
        ));
    }
    let request = review
        .request
        .ok_or("request is missing: say which objects to convert")?;
    if request.uid.is_empty() {
        return Err("request.uid is missing: give the review an id, the answer repeats it".to_owned());
    }
    if request.desired_api_version.is_empty() {
        return Err(
            "request.desiredAPIVersion is missing: say which version the objects shall be in".to_owned(),
        );
    }
    Ok(convert_all(request))
}

fn convert_all(request: Request) -> Converted {
    let Request {
        uid,
        desired_api_version: desired,
        objects,
    } = request;
    let mut objects: Vec<Value> = objects
        .into_iter()
        .flatten()
        .map(|Strict(object)| object)
        .collect();
    let mut unreadable = Vec::new();
    let mut failures = Vec::new();
    for (i, object) in objects.iter_mut().enumerate() {
        match convert::convert(object, &desired) {
            Ok(Note::None) => {}
            Ok(Note::UnreadableAnnotation) => unreadable.push(name(object, i)),
            Err(error) => failures.push(format!("{}: {error}", name(object, i))),
        }
    }
    let ok = failures.is_empty();
    let response = if ok {
        Response {
            uid,
            converted_objects: objects,
            result: json!({"status": "Success"}),
        }
    } else {
        let message = format!("cannot convert to {desired}: {}", failures.join("; "));
        Response {
            uid,
            converted_objects: Vec::new(),
            result: json!({"status": "Failure", "message": message}),
        }
    };
    let review = json!({"apiVersion": API_VERSION, "kind": KIND, "response": response});
    Converted {
        json: review.to_string().into_bytes(),
        ok,
        unreadable,
    }
}

/// How people find the object: by kind and name, or by its place in the list where it has no name.
fn name(object: &Value, index: usize) -> String {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or("object");
    match object.pointer("/metadata/name").and_then(Value::as_str) {
        Some(name) if !name.is_empty() => format!("{kind} '{name}'"),
        _ => format!("request.objects[{index}]"),
    }
}
