//! Which settings must never be quoted: those that the schema marks `x-sensitive`, and those whose name, or the
//! name of anything above them, says that they are secret.

use serde_json::Value;

use super::node::Node;

/// Words in a name that mean a secret, in lower case.
const WORDS: [&str; 4] = ["password", "token", "secret", "key"];

/// Whether a field's name says that its value is secret.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

/// Whether the text quotes a value that stands under a secret name in `settings`.
#[must_use]
pub fn quotes_a_secret(text: &str, settings: &Value) -> bool {
    quoted_in(text, settings, None)
}

/// Calls `found` with the text of every secret scalar in `value`.
pub(super) fn each(value: &Value, node: Option<&Node>, secret: bool, found: &mut dyn FnMut(&str)) {
    let secret = secret || node.is_some_and(|node| node.sensitive);
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                each(
                    child,
                    node.and_then(|node| node.child(key)),
                    secret || is_secret_name(key),
                    found,
                );
            }
        }
        Value::Array(items) => {
            for item in items {
                each(item, node.and_then(|node| node.items.as_deref()), secret, found);
            }
        }
        Value::String(text) if secret && !text.is_empty() => found(text),
        Value::Number(number) if secret => found(&number.to_string()),
        _ => {}
    }
}

/// Whether the text quotes any secret of `value`.
pub(super) fn quoted_in(text: &str, value: &Value, node: Option<&Node>) -> bool {
    let mut quoted = false;
    each(value, node, false, &mut |secret| {
        // Messages are trimmed.
        let secret = secret.trim();
        quoted = quoted || (!secret.is_empty() && text.contains(secret));
    });
    quoted
}
