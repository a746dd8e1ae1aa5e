//! Answers as cases and examples write them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hatchway::webhook::Answer;
use serde_json::{Value, json};

/// The response without its uid and with the patch as JSON, or the HTTP error.
pub(crate) fn decoded(answer: &Answer) -> Value {
    let mut answered: Value = serde_json::from_slice(&answer.body).unwrap();
    if answer.status != 200 {
        answered["http"] = json!(answer.status.as_u16());
        return answered;
    }
    let mut response = answered["response"].take();
    let fields = response.as_object_mut().unwrap();
    assert!(fields.remove("uid").is_some_and(|uid| uid != ""));
    if let Some(patch) = fields.remove("patch") {
        assert_eq!(fields.remove("patchType"), Some(json!("JSONPatch")));
        let patch = STANDARD.decode(patch.as_str().unwrap()).unwrap();
        fields.insert("patch".to_owned(), serde_json::from_slice(&patch).unwrap());
    }
    response
}
