//! What a scalar of YAML means, as kubectl reads it.
//!
//! kubectl goes through Go's `sigs.k8s.io/yaml`, which is YAML 1.1 in part: `yes` and `off` are booleans, `012` is
//! octal, `1_000` a number; timestamps and numbers to the base of sixty are text.

use base64::Engine as _;
use serde_json::{Number, Value};

/// The tag of a scalar as far as it changes the meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag {
    /// No tag: a plain scalar means what it looks like.
    None,
    /// `!!str`, `!!timestamp`, `!` or an unknown one: text.
    Text,
    /// `!!bool`
    Bool,
    /// `!!int`
    Int,
    /// `!!float`
    Float,
    /// `!!null`
    Null,
    /// `!!binary`
    Binary,
}

/// A scalar's meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Meaning {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Text,
}

/// The JSON value of a scalar, or in one line why it has none.
pub(super) fn value(text: &str, plain: bool, tag: Tag) -> Result<Value, String> {
    Ok(match meaning(text, plain, tag)? {
        Meaning::Null => Value::Null,
        Meaning::Bool(flag) => Value::Bool(flag),
        Meaning::Signed(number) => number.into(),
        Meaning::Unsigned(number) => number.into(),
        Meaning::Float(number) => Number::from_f64(number).map(Value::Number).ok_or_else(|| {
            format!("\"{text}\" is no number that JSON knows; put it in quotes to make it text")
        })?,
        Meaning::Text if tag == Tag::Binary => Value::String(binary(text)?),
        Meaning::Text => Value::String(text.to_owned()),
    })
}

/// The JSON key that a scalar makes (`on: x` has the key `true`), or in one line why it makes none.
pub(super) fn key(text: &str, plain: bool, tag: Tag) -> Result<String, String> {
    let quote = || format!("\"{text}\" cannot be a key; put it in quotes");
    Ok(match meaning(text, plain, tag)? {
        Meaning::Bool(flag) => flag.to_string(),
        Meaning::Signed(number) => number.to_string(),
        Meaning::Null | Meaning::Unsigned(_) => return Err(quote()),
        Meaning::Float(number) => float_key(number).ok_or_else(quote)?,
        Meaning::Text if tag == Tag::Binary => binary(text)?,
        Meaning::Text => text.to_owned(),
    })
}

fn meaning(text: &str, plain: bool, tag: Tag) -> Result<Meaning, String> {
    if matches!(tag, Tag::Text | Tag::Binary) || (tag == Tag::None && !plain) {
        return Ok(Meaning::Text);
    }
    let meaning = resolve(text);
    // The value itself stays out of the message: it may be a secret.
    let mismatch = |what| Err(format!("the value is tagged as {what} but is none"));
    match (tag, meaning) {
        (Tag::None, _)
        | (Tag::Bool, Meaning::Bool(_))
        | (Tag::Int, Meaning::Signed(_) | Meaning::Unsigned(_))
        | (Tag::Float, Meaning::Float(_))
        | (Tag::Null, Meaning::Null) => Ok(meaning),
        #[expect(clippy::cast_precision_loss, reason = "a float is what the tag asks for")]
        (Tag::Float, Meaning::Signed(number)) => Ok(Meaning::Float(number as f64)),
        (Tag::Bool, _) => mismatch("a boolean"),
        (Tag::Int, _) => mismatch("an integer"),
        (Tag::Float, _) => mismatch("a float"),
        (_, _) => mismatch("null"),
    }
}

/// The meaning of a plain scalar without a tag.
fn resolve(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Meaning::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Meaning::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Meaning::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Meaning::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Meaning::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Meaning::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match text.as_bytes()[0] {
        b'.' => float(text),
        b'+' | b'-' | b'0'..=b'9' => {
            let digits = text.replace('_', "");
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    };
    number.unwrap_or(Meaning::Text)
}

/// An integer as Go's `strconv.ParseInt` reads it when the prefix decides the base: `0x1f`, `0o17`, `017`, `0b11`.
fn integer(digits: &str) -> Option<Meaning> {
    let (negative, signed, magnitude) = match digits.as_bytes().first()? {
        b'-' => (true, true, &digits[1..]),
        b'+' => (false, true, &digits[1..]),
        _ => (false, false, digits),
    };
    let lower = magnitude.get(..2).map(str::to_ascii_lowercase);
    let (base, magnitude) = match lower.as_deref() {
        Some("0x") => (16, &magnitude[2..]),
        Some("0o") => (8, &magnitude[2..]),
        Some("0b") => (2, &magnitude[2..]),
        Some(other) if other.starts_with('0') => (8, &magnitude[1..]),
        _ => (10, magnitude),
    };
    // `from_str_radix` would take another sign.
    if !magnitude.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let number = i128::from(u64::from_str_radix(magnitude, base).ok()?);
    let number = if negative { -number } else { number };
    match (i64::try_from(number), u64::try_from(number)) {
        (Ok(number), _) => Some(Meaning::Signed(number)),
        (_, Ok(number)) if !signed => Some(Meaning::Unsigned(number)),
        _ => None,
    }
}

/// A decimal float: digits with at most one point and an exponent; what does not fit into 64 bits is text.
fn float(text: &str) -> Option<Meaning> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let form = unsigned
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
    let number: f64 = if form { text.parse().ok()? } else { return None };
    number.is_finite().then_some(Meaning::Float(number))
}

/// A float as a key, in the form that Go's `FormatFloat(f, 'g', -1, 32)` gives it. What that would write with an
/// exponent is refused: nobody means such a key.
fn float_key(number: f64) -> Option<String> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "Go's reading formats keys with 32 bits"
    )]
    let number = number as f32;
    let magnitude = number.abs();
    (magnitude == 0.0 || (1e-4..1e6).contains(&magnitude)).then(|| number.to_string())
}

fn binary(text: &str) -> Result<String, String> {
    let text: String = text.split(['\n', '\r']).collect();
    let bytes = base64::engine::general_purpose::STANDARD
        .decode(text)
        .map_err(|_| "the value tagged as binary is not base64".to_owned())?;
    String::from_utf8(bytes)
        .map_err(|_| "the value tagged as binary is not text; drop the tag and keep the base64".to_owned())
}
