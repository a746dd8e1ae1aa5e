//! A ModuleSettingsDefinition's `spec` out of a module's `openapi/` folder.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use thiserror::Error;

/// One file `openapi/conversions/v<n>.yaml`, parsed.
#[derive(Clone, Debug)]
pub struct Conversion {
    /// The file's name, for messages: `v2.yaml`.
    pub file: String,
    /// `{version, conversions[], description {en, ru}}`.
    pub content: Value,
}

/// Why no definition can be made of an `openapi/` folder. Words for users.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AuthorError {
    /// `config-values.yaml` is no schema, or its version is none.
    #[error("config-values.yaml: {0}")]
    Schema(String),
    /// A conversion cannot be read or does not fit the others.
    #[error("conversions/{file}: {message}")]
    Conversion {
        /// The file's name.
        file: String,
        /// What is wrong with it.
        message: String,
    },
}

/// Makes the `spec`: `versions[]` {`name`, `schema` {`openAPIV3Schema`}, `conversions[]` {`expr[]`, `descriptions`}}.
///
/// `config_values` is `openapi/config-values.yaml`, parsed; its `x-config-version` (1 without one) is the latest
/// version. Only the latest version has a schema; every version with a conversion is listed.
pub fn author(config_values: &Value, conversions: &[Conversion]) -> Result<Value, AuthorError> {
    let Value::Object(schema) = config_values else {
        return Err(AuthorError::Schema(
            "expected an object, the schema of the settings".to_owned(),
        ));
    };
    let latest = match schema.get("x-config-version") {
        None => 1,
        Some(version) => positive(version).ok_or_else(|| {
            AuthorError::Schema(format!(
                "x-config-version must be a whole number from 1, not {version}"
            ))
        })?,
    };
    let mut steps: BTreeMap<u32, Value> = BTreeMap::new();
    for conversion in conversions {
        let (version, step) = read(conversion, latest).map_err(|message| AuthorError::Conversion {
            file: conversion.file.clone(),
            message,
        })?;
        if steps.insert(version, step).is_some() {
            let message = format!("version {version} has another conversion already");
            return Err(AuthorError::Conversion {
                file: conversion.file.clone(),
                message,
            });
        }
    }
    let mut versions = Vec::new();
    for number in steps
        .keys()
        .copied()
        .chain([latest])
        .collect::<std::collections::BTreeSet<_>>()
    {
        let mut version = Map::new();
        version.insert("name".to_owned(), json!(number.to_string()));
        if number == latest {
            version.insert("schema".to_owned(), json!({"openAPIV3Schema": config_values}));
        }
        if let Some(step) = steps.remove(&number) {
            version.insert("conversions".to_owned(), json!([step]));
        }
        versions.push(Value::Object(version));
    }
    Ok(json!({ "versions": versions }))
}

fn read(conversion: &Conversion, latest: u32) -> Result<(u32, Value), String> {
    let content = &conversion.content;
    let named = conversion
        .file
        .strip_prefix('v')
        .and_then(|rest| rest.strip_suffix(".yaml").or_else(|| rest.strip_suffix(".yml")))
        .and_then(|number| number.parse::<u32>().ok())
        .ok_or_else(|| "the file must be named v<n>.yaml".to_owned())?;
    let version = match content.get("version") {
        None => return Err("version is missing".to_owned()),
        Some(version) => positive(version)
            .filter(|version| *version > 1)
            .ok_or_else(|| format!("version must be a whole number from 2, not {version}"))?,
    };
    if version != named {
        return Err(format!("version is {version}, but the file's name says {named}"));
    }
    if version > latest {
        return Err(format!(
            "leads to version {version}, but x-config-version of config-values.yaml is {latest}"
        ));
    }
    let filters = match content.get("conversions") {
        Some(Value::Array(filters)) if !filters.is_empty() && filters.iter().all(Value::is_string) => filters,
        _ => return Err("conversions must be a list of jq filters".to_owned()),
    };
    let mut step = Map::new();
    step.insert("expr".to_owned(), json!(filters));
    if let Some(Value::Object(description)) = content.get("description") {
        let told: Map<String, Value> = description
            .iter()
            .filter(|(language, text)| matches!(language.as_str(), "en" | "ru") && text.is_string())
            .map(|(language, text)| (language.clone(), text.clone()))
            .collect();
        if !told.is_empty() {
            step.insert("descriptions".to_owned(), Value::Object(told));
        }
    }
    Ok((version, Value::Object(step)))
}

fn positive(value: &Value) -> Option<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be whole and small"
    )]
    let whole = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|f| f.fract() == 0.0 && *f > 0.0)
            .map(|f| f as u64)
    });
    whole
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| *number > 0)
}
