//! What an object becomes when a file is applied over it.

use serde_json::{Map, Value};

/// What `kubectl apply` leaves where the file does not say otherwise.
const KEPT: [&str; 5] = [
    "creationTimestamp",
    "deletionTimestamp",
    "finalizers",
    "ownerReferences",
    "uid",
];

/// The file's object with what it does not say about the one that exists: labels and annotations of others,
/// finalizers, owners and status.
pub(super) fn over(old: Option<&Value>, mut new: Value) -> Value {
    let (Some(old), Some(fields)) = (old, new.as_object_mut()) else {
        return new;
    };
    if let Some(status) = old.get("status") {
        fields.insert("status".to_owned(), status.clone());
    }
    let metadata = fields.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(new), Some(old)) = (metadata, old.get("metadata").and_then(Value::as_object)) {
        keep(old, new, KEPT);
        for key in ["labels", "annotations"] {
            let Some(old) = old.get(key).and_then(Value::as_object) else {
                continue;
            };
            match new.get_mut(key) {
                Some(Value::Object(new)) => keep(old, new, old.keys().map(String::as_str)),
                Some(Value::Null) | None => drop(new.insert(key.to_owned(), old.clone().into())),
                // Not of the right type: left for whoever judges it.
                Some(_) => {}
            }
        }
    }
    new
}

fn keep<'k>(old: &Map<String, Value>, new: &mut Map<String, Value>, keys: impl IntoIterator<Item = &'k str>) {
    for key in keys {
        if let (Some(value), false) = (old.get(key), new.contains_key(key)) {
            new.insert(key.to_owned(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_file_says_wins_and_what_it_does_not_say_stays() {
        let old = json!({
            "metadata": {"name": "a", "finalizers": ["f"], "annotations": {"x": "1", "y": "1"}, "labels": {"l": "1"}},
            "spec": {"enabled": true, "version": 1}, "status": {"phase": "Deployed"},
        });
        let new = json!({"metadata": {"name": "a", "annotations": {"y": "2"}}, "spec": {"enabled": false}});
        assert_eq!(
            over(Some(&old), new),
            json!({
                "metadata": {"name": "a", "finalizers": ["f"], "annotations": {"x": "1", "y": "2"}, "labels": {"l": "1"}},
                "spec": {"enabled": false}, "status": {"phase": "Deployed"},
            })
        );
    }

    #[test]
    fn a_new_object_is_as_the_file_says() {
        let new = json!({"metadata": {"name": "a"}, "spec": {}});
        assert_eq!(over(None, new.clone()), new);
    }
}
