//! Names, labels and annotations that an API server refuses before any webhook is asked: the rules of Kubernetes'
//! own object metadata. No annotation's value is ever repeated, since some hold credentials.

use super::intake::Misfit;
use crate::values::quoted;
use serde_json::Value;

/// Most characters in an RFC 1123 subdomain, and in the prefix of a qualified name.
const SUBDOMAIN: usize = 253;
/// Most characters in a label's value, and in the name part of a qualified name.
const NAME_PART: usize = 63;
/// Most bytes in all annotations of an object, keys and values: 256 KiB.
const ANNOTATIONS: usize = 256 << 10;

/// What an API server would refuse about an object's metadata.
pub(crate) fn check(metadata: &Value) -> Vec<Misfit> {
    let mut misfits = Vec::new();
    let name = metadata["name"].as_str().unwrap_or_default();
    if !is_subdomain(name) {
        let message = format!(
            "{} is no RFC 1123 subdomain: use at most {SUBDOMAIN} lower-case letters, digits, '-' and '.', with a \
             letter or digit at both ends and on both sides of each '.'",
            quoted(name)
        );
        misfits.push(Misfit::new("metadata.name", message));
    }
    for (key, value) in strings(metadata, "labels", &mut misfits) {
        let field = format!("metadata.labels[{key}]");
        check_key(key, &field, key, &mut misfits);
        if !value.is_empty() && !is_name_part(value) {
            let message = format!(
                "{} is no label's value: use at most {NAME_PART} letters, digits, '-', '_' and '.', with a letter or \
                 digit at both ends",
                quoted(value)
            );
            misfits.push(Misfit::new(field, message));
        }
    }
    let annotations = strings(metadata, "annotations", &mut misfits);
    for (key, _) in &annotations {
        let field = format!("metadata.annotations[{key}]");
        // Kubernetes lets annotations, and only them, have upper case in the prefix.
        check_key(key, &field, &key.to_lowercase(), &mut misfits);
    }
    let size: usize = annotations
        .iter()
        .map(|(key, value)| key.len() + value.len())
        .sum();
    if size > ANNOTATIONS {
        let message =
            format!("the annotations are {size} bytes long, more than {ANNOTATIONS}: put less into them");
        misfits.push(Misfit::new("metadata.annotations", message));
    }
    misfits
}

/// The pairs of a map of strings; what is none is told. A bare `true` is what people write most often.
fn strings<'v>(metadata: &'v Value, key: &str, misfits: &mut Vec<Misfit>) -> Vec<(&'v str, &'v str)> {
    let value = &metadata[key];
    if !value.is_object() && !value.is_null() {
        let message = format!("expected {key} by their keys: {key}: {{key: \"value\"}}");
        misfits.push(Misfit::new(format!("metadata.{key}"), message));
    }
    let mut strings = Vec::new();
    for (name, value) in value.as_object().into_iter().flatten() {
        match value {
            Value::String(value) => strings.push((name.as_str(), value.as_str())),
            _ => misfits.push(Misfit::new(
                format!("metadata.{key}[{name}]"),
                "expected a string: put the value in quotes",
            )),
        }
    }
    strings
}

fn check_key(key: &str, field: &str, compared: &str, misfits: &mut Vec<Misfit>) {
    if !is_qualified_name(compared) {
        let message = format!(
            "key {} is no qualified name: use at most {NAME_PART} letters, digits, '-', '_' and '.', with a letter or \
             digit at both ends, and before it, if need be, a DNS name and '/', as in example.com/my-name",
            quoted(key)
        );
        misfits.push(Misfit::new(field, message));
    }
}

/// `name`, or `prefix/name` with a DNS subdomain for prefix.
fn is_qualified_name(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(key),
    }
}

fn is_subdomain(name: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    name.len() <= SUBDOMAIN
        && name
            .split('.')
            .all(|label| is_bounded(label, is_plain) && label.bytes().all(|b| is_plain(b) || b == b'-'))
}

fn is_name_part(name: &str) -> bool {
    name.len() <= NAME_PART
        && is_bounded(name, |b| b.is_ascii_alphanumeric())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a word is not empty and begins and ends as it has to.
fn is_bounded(word: &str, fits: impl Fn(u8) -> bool) -> bool {
    word.bytes().next().is_some_and(&fits) && word.bytes().last().is_some_and(&fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(metadata: Value) -> Vec<String> {
        let mut metadata = metadata;
        if metadata["name"].is_null() {
            metadata["name"] = json!("echo");
        }
        check(&metadata).into_iter().map(|misfit| misfit.field).collect()
    }

    #[test]
    fn accepts_what_an_api_server_accepts() {
        let longest = [&"a".repeat(63); 4].map(String::as_str).join(".")[..253].to_owned();
        for metadata in [
            json!({"name": "echo-v1.0.0"}),
            json!({"name": longest}),
            json!({"name": "0a.b-c"}),
            json!({"name": "a".repeat(253)}),
            json!({"labels": {"a": "", "A_b.c-9": "x_Y.z", "example.com/a": "v".repeat(63)}}),
            json!({"annotations": {"Example.COM/a": "anything at all\n", "renew": ""}, "labels": null}),
        ] {
            assert_eq!(fields(metadata.clone()), Vec::<String>::new(), "{metadata}");
        }
    }

    #[test]
    fn refuses_what_an_api_server_refuses() {
        for (metadata, field) in [
            (json!({"name": "Echo"}), "metadata.name"),
            (json!({"name": "a..b"}), "metadata.name"),
            (json!({"name": "-a"}), "metadata.name"),
            (json!({"name": "a-"}), "metadata.name"),
            (json!({"name": "a_b"}), "metadata.name"),
            (json!({"name": "a".repeat(254)}), "metadata.name"),
            (json!({"labels": {"a": "v".repeat(64)}}), "metadata.labels[a]"),
            (json!({"labels": {"a": "b c"}}), "metadata.labels[a]"),
            (json!({"labels": {"a": "-b"}}), "metadata.labels[a]"),
            (json!({"labels": {"a": 1}}), "metadata.labels[a]"),
            (
                json!({"labels": {"Example.com/a": ""}}),
                "metadata.labels[Example.com/a]",
            ),
            (json!({"labels": {"a/b/c": ""}}), "metadata.labels[a/b/c]"),
            (json!({"labels": {"/b": ""}}), "metadata.labels[/b]"),
            (json!({"labels": "a"}), "metadata.labels"),
            (json!({"annotations": {"a b": ""}}), "metadata.annotations[a b]"),
            (json!({"annotations": {"a": true}}), "metadata.annotations[a]"),
            (
                json!({"annotations": {"a": "x".repeat(ANNOTATIONS)}}),
                "metadata.annotations",
            ),
        ] {
            assert_eq!(fields(metadata), [field]);
        }
    }

    #[test]
    fn repeats_no_annotation() {
        let misfits = check(&json!({"name": "echo", "annotations": {"a b": "hunter2", "c": ["hunter2"]}}));
        assert_eq!(misfits.len(), 2);
        assert!(misfits.iter().all(|misfit| !misfit.message.contains("hunter2")));
    }
}
