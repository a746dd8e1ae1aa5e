//! Words of filters, without the secrets that jq's errors quote.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::settings::is_secret_name;

/// Characters of a filter's message that are passed on.
const MAX_WORDS: usize = 256;

/// The words that jq's own errors are made of.
const VOCABULARY: &[&str] = &[
    "array",
    "boolean",
    "byte",
    "bytes",
    "calculate",
    "cannot",
    "character",
    "codepoint",
    "convert",
    "defined",
    "empty",
    "end",
    "expected",
    "expression",
    "failed",
    "flag",
    "float",
    "gave",
    "has",
    "index",
    "input",
    "instead",
    "integer",
    "invalid",
    "iterate",
    "iterated",
    "JSON",
    "key",
    "keys",
    "length",
    "must",
    "negative",
    "not",
    "nothing",
    "null",
    "number",
    "object",
    "offset",
    "over",
    "parse",
    "path",
    "range",
    "regex",
    "slice",
    "string",
    "strings",
    "the",
    "time",
    "undefined",
    "unexpected",
    "use",
    "value",
    "with",
];

/// The message, shortened, and without what may be secret.
///
/// Settings without secrets lose nothing. With one, every word that neither jq nor the filter's author wrote is
/// hidden, and a message that still holds a secret's text is withheld: filters cut, join and convert strings, so
/// hiding just the secrets themselves would not do.
pub(super) fn masked(message: &str, filter: &str, settings: &Value, names: &BTreeSet<String>) -> String {
    let mut secrets = Vec::new();
    collect(settings, names, false, &mut secrets);
    let mut text = message.lines().next().unwrap_or_default().to_owned();
    if !secrets.is_empty() {
        text = known_words(&text, filter);
        if secrets.iter().any(|secret| text.contains(secret.as_str())) {
            return "it failed on a value that is not shown".to_owned();
        }
    }
    match text.char_indices().nth(MAX_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn collect(value: &Value, names: &BTreeSet<String>, secret: bool, into: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, child) in object {
                collect(
                    child,
                    names,
                    secret || is_secret_name(key) || names.contains(key),
                    into,
                );
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, names, secret, into)),
        Value::String(text) if secret && !text.is_empty() => into.push(text.clone()),
        Value::Number(number) if secret => into.push(number.to_string()),
        _ => {}
    }
}

/// Replaces runs of words and marks that are not known by `…`. Short words of letters (`as`, `is`) always are.
fn known_words(text: &str, filter: &str) -> String {
    let of_word = |c: char| c.is_alphanumeric() || c == '_';
    let written: BTreeSet<&str> = filter.split(|c| !of_word(c)).collect();
    let known = |word: &str| {
        VOCABULARY.contains(&word)
            || written.contains(word)
            || (word.len() <= 2 && word.chars().all(char::is_alphabetic))
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| of_word(c) != of_word(first)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        // Between words stand spaces, quotes and the like; longer runs of marks could be a part of a value.
        let shown = if of_word(first) {
            known(part)
        } else {
            part.chars().count() <= 4
        };
        if shown {
            out.push_str(part);
        } else if !out.ends_with('…') {
            out.push('…');
        }
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hides_what_the_author_did_not_write() {
        let names = BTreeSet::from(["pin".to_owned()]);
        let plain = json!({"mode": "fast"});
        let secret = json!({"mode": "fast", "password": "hunter2", "pin": 4711});
        let table = [
            (
                r#"cannot use "fast" as number"#,
                ".mode | tonumber",
                &plain,
                r#"cannot use "fast" as number"#,
            ),
            (
                r#"cannot use "hunter2" as number"#,
                ".password | tonumber",
                &secret,
                r#"cannot use "…" as number"#,
            ),
            (
                r#"cannot use "hunt" as number"#,
                ".password[0:4] | tonumber",
                &secret,
                r#"cannot use "…" as number"#,
            ),
            (
                r#"cannot index "xyz" with "mode""#,
                ".a.mode",
                &secret,
                r#"cannot index "…" with "mode""#,
            ),
            (
                "mode is unknown",
                r#"error("mode is unknown")"#,
                &secret,
                "mode is unknown",
            ),
            ("bad hunter2", r#"error("bad \(.password)")"#, &secret, "bad …"),
            ("HUNTER2", "error(.password | ascii_upcase)", &secret, "…"),
            ("bad fast", r#"error("bad \(.mode)")"#, &secret, "bad …"),
            (
                "cannot use 4711 as array",
                ".pin[]",
                &secret,
                "cannot use … as array",
            ),
            (
                "cannot use 4711 as array",
                ".pin | if . == 4711 then .[] end",
                &secret,
                "it failed on a value that is not shown",
            ),
        ];
        for (message, filter, settings, expected) in table {
            assert_eq!(masked(message, filter, settings, &names), expected);
        }
        assert_eq!(
            masked(&"x".repeat(1000), ".", &plain, &names).chars().count(),
            MAX_WORDS + 1
        );
    }
}
