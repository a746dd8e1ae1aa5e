//! Verdicts as people read them.

use serde_json::Value;
use std::fmt::Write as _;

/// A value as YAML, indented.
pub(crate) fn yaml(value: &Value, indent: usize) -> String {
    let mut text = String::new();
    lines(value, indent, &mut text);
    text
}

fn lines(value: &Value, indent: usize, text: &mut String) {
    let pad = " ".repeat(indent);
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                write!(text, "{pad}{}:", scalar(&Value::String(key.clone()))).unwrap();
                nested(value, indent + 2, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                let mut inner = String::new();
                if is_leaf(item) {
                    writeln!(inner, "{pad}  {}", scalar(item)).unwrap();
                } else {
                    lines(item, indent + 2, &mut inner);
                }
                inner.replace_range(indent..=indent, "-");
                text.push_str(&inner);
            }
        }
        leaf => writeln!(text, "{pad}{}", scalar(leaf)).unwrap(),
    }
}

fn nested(value: &Value, indent: usize, text: &mut String) {
    if is_leaf(value) {
        writeln!(text, " {}", scalar(value)).unwrap();
    } else {
        text.push('\n');
        lines(value, if value.is_array() { indent - 2 } else { indent }, text);
    }
}

fn is_leaf(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => true,
    }
}

/// JSON, which is YAML, but plain where a string cannot be taken for anything else.
fn scalar(value: &Value) -> String {
    match value.as_str() {
        Some(text) if is_plain(text) => text.to_owned(),
        _ => value.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let plain = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/' | '[' | ']' | ' ' | ',' | '\'')
    };
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(plain)
        && !text.ends_with(' ')
        && !["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
            .contains(&text.to_lowercase().as_str())
}

/// The lines in which two verdicts differ, with the others around them.
pub(crate) fn diff(expected: &Value, found: &Value) -> String {
    let (expected, found) = (yaml(expected, 2), yaml(found, 2));
    let (expected, found): (Vec<_>, Vec<_>) = (expected.lines().collect(), found.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = expected.iter().zip(&found).take_while(same).count();
    let tail = expected[head..]
        .iter()
        .rev()
        .zip(found[head..].iter().rev())
        .take_while(same)
        .count();
    let mut text = String::new();
    let mut print = |sign: char, lines: &[&str]| {
        for line in lines {
            writeln!(text, "{sign}{line}").unwrap();
        }
    };
    print(' ', &expected[..head]);
    print('-', &expected[head..expected.len() - tail]);
    print('+', &found[head..found.len() - tail]);
    print(' ', &expected[expected.len() - tail..]);
    text
}
