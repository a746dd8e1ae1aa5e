//! Words of filters, without the secrets that jq's errors quote.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::settings::is_secret_name;

/// Characters of a filter's message that are passed on.
const MAX_WORDS: usize = 256;

/// The message, shortened, and without what may be secret.
///
/// Settings without secrets lose nothing. With one, everything in quotes that the filter's author did not write
/// is hidden, and a message that still holds a secret's text is withheld: filters cut and join strings, so hiding
/// just the secrets themselves would not do.
pub(super) fn masked(message: &str, filter: &str, settings: &Value, names: &BTreeSet<String>) -> String {
    let mut secrets = Vec::new();
    collect(settings, names, false, &mut secrets);
    let mut text = message.lines().next().unwrap_or_default().to_owned();
    if !secrets.is_empty() {
        text = without_foreign_quotes(&text, filter);
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

/// Replaces what stands in double quotes unless the filter's source has it, too.
fn without_foreign_quotes(text: &str, filter: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('"') {
        let (before, quoted) = rest.split_at(start);
        out.push_str(before);
        let end = closing_quote(&quoted[1..]).map_or(quoted.len(), |end| end + 2);
        let (word, after) = quoted.split_at(end);
        out.push_str(if filter.contains(word) || is_name(word, filter) {
            word
        } else {
            "\"…\""
        });
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `"name"` of `.name` in the filter.
fn is_name(word: &str, filter: &str) -> bool {
    let name = word.trim_matches('"');
    !name.is_empty() && filter.contains(&format!(".{name}"))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
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
                r#"cannot index "x" with "mode""#,
                ".a.mode",
                &secret,
                r#"cannot index "…" with "mode""#,
            ),
            (
                r#""mode is unknown""#,
                r#"error("mode is unknown")"#,
                &secret,
                r#""mode is unknown""#,
            ),
            (
                "bad hunter2",
                r#"error("bad \(.password)")"#,
                &secret,
                "it failed on a value that is not shown",
            ),
            (
                "cannot use 4711 as array",
                ".pin[]",
                &secret,
                "it failed on a value that is not shown",
            ),
            (r#"open "quote"#, ".", &secret, r#"open "…""#),
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
