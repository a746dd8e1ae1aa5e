//! JSON that decides is read strictly: a key that stands twice, or nesting beyond bounds, is an error and never
//! resolved silently.

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How deep a value may be nested before it is refused, the value itself being the first level.
pub const MAX_DEPTH: usize = 128;

/// How deep an object may be nested to be converted: more than can be judged, since one that fails makes every list
/// fail (CV-1).
const MAX_DEPTH_CONVERTED: usize = 256;

/// Why a value was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadJsonError {
    /// A key stands twice in one object.
    #[error("duplicate key '{0}': keep one of them")]
    DuplicateKey(String),
    /// It is nested too deep.
    #[error("nested deeper than {MAX_DEPTH}: flatten it")]
    TooDeep,
    /// It is no JSON.
    #[error("{0}")]
    Syntax(String),
}

/// Marks errors of ours on their way through serde's error type, which holds text alone.
const DUPLICATE: &str = "\u{1}duplicate\u{1}";
const TOO_DEEP: &str = "\u{1}deep\u{1}";

/// Reads a value.
///
/// # Errors
/// [`ReadJsonError`]
pub fn read(text: &str) -> Result<Value, ReadJsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The limit is our own.
    deserializer.disable_recursion_limit();
    let result = Strict { left: MAX_DEPTH }.deserialize(&mut deserializer);
    result
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| own_error(&error))
}

/// Reads a value as a part of something larger; [`message`] makes words of the error.
pub(super) fn strict<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Strict {
        left: MAX_DEPTH_CONVERTED,
    }
    .deserialize(deserializer)
}

/// What went wrong, for people, whether or not it came out of [`strict`].
pub(super) fn message(error: &serde_json::Error) -> String {
    match own_error(error) {
        ReadJsonError::Syntax(text) => text,
        own => own.to_string(),
    }
}

fn own_error(error: &serde_json::Error) -> ReadJsonError {
    let text = error.to_string();
    if text.contains(TOO_DEEP) || text.starts_with("recursion limit exceeded") {
        return ReadJsonError::TooDeep;
    }
    match text.split(DUPLICATE).nth(1) {
        Some(key) => ReadJsonError::DuplicateKey(key.to_owned()),
        None => ReadJsonError::Syntax(text),
    }
}

#[derive(Clone, Copy)]
struct Strict {
    left: usize,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(TOO_DEEP))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inner)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("{DUPLICATE}{key}{DUPLICATE}")));
            }
            map.insert(key, entries.next_value_seed(inner)?);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_a_key_that_stands_twice_at_any_depth() {
        let error = read(r#"{"a": [{"b": 1, "b": 2}]}"#).unwrap_err();
        assert_eq!(error, ReadJsonError::DuplicateKey("b".to_owned()));
    }

    #[test]
    fn refuses_what_is_nested_too_deep_however_deep() {
        for depth in [MAX_DEPTH + 1, 100_000] {
            assert_eq!(read(&"[".repeat(depth)), Err(ReadJsonError::TooDeep));
        }
        assert!(read(&("[".repeat(MAX_DEPTH) + &"]".repeat(MAX_DEPTH))).is_ok());
    }

    #[test]
    fn refuses_what_follows_the_value() {
        assert!(matches!(read("{} {}"), Err(ReadJsonError::Syntax(_))));
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_reads_or_says_why(text in r#"[\[\]{}",:a-c0-9. ]{0,40}"#) {
            match (read(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(ours), Ok(theirs)) => prop_assert_eq!(ours, theirs),
                (Err(ReadJsonError::DuplicateKey(_)), _) | (Err(_), Err(_)) => {}
                (ours, theirs) => prop_assert!(false, "{:?} against {:?}", ours, theirs),
            }
        }
    }
}
