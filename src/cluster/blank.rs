//! Credentials do not leave the world: they are blanked out of what is shown.

use super::apply::LAST_APPLIED;
use serde_json::Value;

/// What stands in a credential's place.
const BLANK: &str = "(not shown)";

/// Parts of a setting's key that mark its value as secret, wherever they stand.
const MARKS: [&str; 7] = [
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "credential",
    "dockercfg",
];

/// Blanks out the credentials of an object: a source's docker config, settings whose key marks them as secret, and
/// what kubectl remembers of them.
pub(super) fn credentials(object: &mut Value) {
    if let Some(config) = object.pointer_mut("/spec/registry/dockerCfg") {
        blank(config);
    }
    let annotations = object.pointer_mut("/metadata/annotations");
    if let Some(applied) = annotations.and_then(|all| all.get_mut(LAST_APPLIED)) {
        blank(applied);
    }
    if let Some(settings) = object.pointer_mut("/spec/settings") {
        by_key(settings);
    }
}

fn by_key(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                if marks_a_secret(key) {
                    blank(value);
                } else {
                    by_key(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(by_key),
        _ => {}
    }
}

/// Blanks every text and number in a value; that a switch is on is no secret.
fn blank(value: &mut Value) {
    match value {
        Value::String(_) | Value::Number(_) => *value = BLANK.into(),
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(fields) => fields.values_mut().for_each(blank),
        Value::Null | Value::Bool(_) => {}
    }
}

fn marks_a_secret(key: &str) -> bool {
    let lower = key.to_lowercase();
    MARKS.iter().any(|mark| lower.contains(mark)) || has_word_key(key)
}

/// Whether one of the key's words is `key` or ends with it (`apiKey`, `ssh-keys`, `privatekey`), unlike `keycloak`.
fn has_word_key(key: &str) -> bool {
    let mut words = vec![String::new()];
    let mut after_small = false;
    for c in key.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_small) {
            words.push(String::new());
        }
        after_small = c.is_lowercase() || c.is_numeric();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    words
        .iter()
        .any(|word| word.ends_with("key") || word.ends_with("keys"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn knows_a_secret_by_its_key() {
        for key in [
            "password",
            "adminPassword",
            "TOKEN",
            "secretRef",
            "key",
            "apiKey",
            "APIKey",
            "ssh-keys",
            "privatekey",
            "key_file",
            "tlsKeyPem",
            "credentials",
        ] {
            assert!(marks_a_secret(key), "{key}");
        }
        for key in ["keycloak", "keyboard", "host", "", "keystoneURL"] {
            assert!(!marks_a_secret(key), "{key}");
        }
    }

    #[test]
    fn blanks_credentials_and_nothing_else() {
        let mut object = json!({
            "metadata": {"name": "password", "annotations": {LAST_APPLIED: "{\"hunter2\": 1}", "renew": "now"}},
            "spec": {
                "registry": {"repo": "registry.example.com/m", "dockerCfg": "hunter2"},
                "settings": {
                    "host": "db", "port": 1, "password": "hunter2",
                    "users": [{"name": "me", "apiKey": ["hunter2", 2, true, null]}],
                    "secret": {"a": {"b": "hunter2"}},
                },
            },
        });
        credentials(&mut object);
        assert_eq!(
            object,
            json!({
                "metadata": {"name": "password", "annotations": {LAST_APPLIED: BLANK, "renew": "now"}},
                "spec": {
                    "registry": {"repo": "registry.example.com/m", "dockerCfg": BLANK},
                    "settings": {
                        "host": "db", "port": 1, "password": BLANK,
                        "users": [{"name": "me", "apiKey": [BLANK, BLANK, true, null]}],
                        "secret": {"a": {"b": BLANK}},
                    },
                },
            })
        );
    }
}
