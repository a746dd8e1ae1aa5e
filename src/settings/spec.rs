//! The `spec` of a ModuleSettingsDefinition, read into versions.

use serde_json::Value;

use super::definition::SchemaVersion;
use super::problem::{LoadProblem, ProblemKind};

/// The versions of a definition's `spec`, and what of it cannot be read. An entry that cannot be read is left out:
/// the others still judge.
#[must_use]
pub fn versions_of(spec: &Value) -> (Vec<SchemaVersion>, Vec<LoadProblem>) {
    let mut versions = Vec::new();
    let mut problems = Vec::new();
    let empty = Vec::new();
    let entries = spec.get("versions").and_then(Value::as_array).unwrap_or(&empty);
    for (index, entry) in entries.iter().enumerate() {
        match version(entry) {
            Ok(version) => versions.push(version),
            Err(message) => problems.push(LoadProblem {
                path: format!("spec.versions[{index}]"),
                message: format!("the version is left out: {message}"),
                kind: ProblemKind::Version,
            }),
        }
    }
    (versions, problems)
}

fn version(entry: &Value) -> Result<SchemaVersion, String> {
    let name = entry.get("name").and_then(Value::as_str).unwrap_or_default();
    let number = name
        .parse::<u32>()
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| format!("its name \"{name}\" is no version, expected a whole number from 1"))?;
    let schema = entry
        .pointer("/schema/openAPIV3Schema")
        .cloned()
        .unwrap_or(Value::Null);
    let mut conversions = Vec::new();
    for conversion in entry
        .get("conversions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let Some(Value::Array(filters)) = conversion.get("expr") else {
            return Err("a conversion has no list of filters under expr".to_owned());
        };
        for filter in filters {
            let filter = filter
                .as_str()
                .ok_or_else(|| "a filter is no string".to_owned())?;
            conversions.push(filter.to_owned());
        }
    }
    Ok(SchemaVersion {
        number,
        schema,
        conversions,
    })
}
