//! `pattern` and `format` as keywords of our own, handed to jsonschema (rule MC-7).

use std::collections::HashMap;
use std::sync::Arc;

use jsonschema::paths::Location;
use jsonschema::{Draft, Keyword, ValidationError, Validator};
use regex::bytes::Regex;
use serde_json::{Map, Value};

use super::format::Format;
use super::schema::{FORMAT, PATTERN};

/// Builds the validator of a normalised schema; the error says what jsonschema does not take.
pub(super) fn build(draft7: &Value, patterns: HashMap<String, Arc<Regex>>) -> Result<Validator, String> {
    let patterns = Arc::new(patterns);
    jsonschema::options()
        .with_draft(Draft::Draft7)
        .offline()
        .should_validate_formats(false)
        .with_keyword(
            PATTERN,
            move |_: &Map<String, Value>, value: &Value, _: Location| {
                let text = value.as_str().unwrap_or_default().to_owned();
                let regex = patterns.get(&text).cloned();
                Ok(Box::new(PatternKeyword { text, regex }) as Box<dyn for<'i> Keyword<'i>>)
            },
        )
        .with_keyword(FORMAT, |_: &Map<String, Value>, value: &Value, _: Location| {
            let name = value["name"].as_str().unwrap_or_default().to_owned();
            Ok(Box::new(FormatKeyword {
                name,
                format: named(value),
            }) as Box<dyn for<'i> Keyword<'i>>)
        })
        .build(draft7)
        .map_err(|error| format!("the schema does not compile at \"{}\"", error.instance_path()))
}

fn named(value: &Value) -> Option<Format> {
    let types: Vec<String> = value["types"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect();
    Format::named(value["name"].as_str()?, &types)
}

// The errors carry only what was asked for: the words are made where the place in the settings is known.

struct PatternKeyword {
    text: String,
    regex: Option<Arc<Regex>>,
}

impl<'i> Keyword<'i> for PatternKeyword {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.text.as_str()))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        match (&self.regex, instance) {
            (Some(regex), Value::String(text)) => regex.is_match(text.as_bytes()),
            _ => true,
        }
    }
}

struct FormatKeyword {
    name: String,
    format: Option<Format>,
}

impl<'i> Keyword<'i> for FormatKeyword {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.is_valid(instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(self.name.as_str()))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.format.is_none_or(|format| format.fits(instance))
    }
}
