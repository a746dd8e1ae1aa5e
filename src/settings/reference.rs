//! `$ref`: only within the document, never in a circle (rule MC-7).

use std::borrow::Cow;

use serde_json::Value;

/// What a `$ref` points at, or why it cannot be followed.
pub(super) fn resolve<'a>(document: &'a Value, reference: &str) -> Result<&'a Value, String> {
    let Some(pointer) = reference.strip_prefix('#') else {
        return Err(format!(
            "$ref \"{reference}\" leaves the document, only \"#/…\" is followed"
        ));
    };
    let pointer = percent_decoded(pointer);
    document
        .pointer(&pointer)
        .ok_or_else(|| format!("$ref \"{reference}\" points at nothing"))
}

/// JSON pointers in fragments may be percent-encoded; what is no valid encoding stands for itself.
fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match hex.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_or(Cow::Borrowed(text), Cow::Owned)
}
