//! Labels and annotations as they come in: passed over once, and none of them built but those that rules read. The
//! largest of them, what was last applied, is as long as the spec and full of escapes.

use super::json::ReadJsonError;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A map of strings whose values are still raw.
#[derive(Debug, Default)]
pub(super) enum Strings<'a> {
    /// There is none: no review is long for the labels that it does not have.
    #[default]
    None,
    /// In the order of the text.
    Entries(Vec<(Cow<'a, str>, &'a RawValue)>),
    /// Something else; an error once somebody wants to read it.
    Malformed(&'static str),
}

impl Strings<'_> {
    /// Whether both are the same to the letter, as the API server writes them.
    pub(super) fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) => true,
            (Self::Entries(ours), Self::Entries(theirs)) => {
                ours.len() == theirs.len()
                    && ours
                        .iter()
                        .zip(theirs)
                        .all(|(our, their)| our.0 == their.0 && our.1.get() == their.1.get())
            }
            _ => false,
        }
    }

    /// What rules read. A key that stands twice there, or a value that is no string, is an error.
    pub(super) fn ours(&self) -> Result<BTreeMap<String, String>, ReadJsonError> {
        let mut ours = BTreeMap::new();
        let entries = match self {
            Self::None => return Ok(ours),
            Self::Entries(entries) => entries,
            Self::Malformed(found) => {
                return Err(ReadJsonError::Syntax(format!(
                    "expected an object of strings, found {found}"
                )));
            }
        };
        for (key, raw) in entries.iter().filter(|(key, _)| crate::rules::is_ours(key)) {
            let value: Option<String> = serde_json::from_str(raw.get()).map_err(|_| {
                ReadJsonError::Syntax(format!(
                    "expected an object of strings, the value of '{key}' is none"
                ))
            })?;
            // null is an empty string, as Go reads it.
            if ours
                .insert(key.clone().into_owned(), value.unwrap_or_default())
                .is_some()
            {
                return Err(ReadJsonError::DuplicateKey(key.clone().into_owned()));
            }
        }
        Ok(ours)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Strings<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Strings<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Strings::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::with_capacity(4);
        while let Some(key) = map.next_key::<Key<'de>>()? {
            entries.push((key.0, map.next_value()?));
        }
        Ok(Strings::Entries(entries))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Strings::Malformed("a list"))
    }

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(Strings::Malformed("a string"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Strings::Malformed("a boolean"))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Strings::Malformed("a number"))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Strings::Malformed("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Strings::Malformed("a number"))
    }
}

/// A key that is borrowed where it has no escapes; a bare `Cow` never borrows.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Strings<'_> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn reads_those_that_rules_read_and_no_other() {
        let strings = read(
            r#"{"a": 1, "modules.deckhouse.io/force": "tr\u0075e", "release.deckhouse.io/approved": null}"#,
        );
        let ours = strings.ours().unwrap();
        assert_eq!(ours.len(), 2);
        assert_eq!(ours["modules.deckhouse.io/force"], "true");
        assert_eq!(ours["release.deckhouse.io/approved"], "");
        assert!(read("null").ours().unwrap().is_empty());
    }

    #[test]
    fn refuses_what_is_no_map_of_strings_and_keys_that_stand_twice() {
        for text in ["[{}]", "1", "1.5", "-1", "true", "\"a\"", r#"{"module": 1}"#] {
            assert!(
                matches!(read(text).ours(), Err(ReadJsonError::Syntax(_))),
                "{text}"
            );
        }
        let twice = r#"{"module": "a", "m\u006fdule": "b"}"#;
        assert_eq!(
            read(twice).ours(),
            Err(ReadJsonError::DuplicateKey("module".to_owned()))
        );
    }

    #[test]
    fn sees_every_change() {
        let one = r#"{"a": "1", "b": "2"}"#;
        assert!(read(one).same_as(&read(r#"{"a":"1","b":"2"}"#)));
        for other in [
            r#"{"a": "1", "b": "3"}"#,
            r#"{"a": "1"}"#,
            r#"{"a": "1", "c": "2"}"#,
            "null",
            "[]",
        ] {
            assert!(!read(one).same_as(&read(other)), "{other}");
        }
        assert!(
            !read("[1]").same_as(&read("[2]")),
            "what cannot be read is not the same"
        );
    }
}
