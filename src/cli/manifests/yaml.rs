//! Objects as YAML, typed on the way so that a misspelt field is an error here and not in a cluster.

use anyhow::{Context, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// An object from its JSON, through its type.
pub(super) fn document<T: DeserializeOwned + Serialize>(json: Value) -> anyhow::Result<String> {
    let typed: T =
        serde_json::from_value(json.clone()).context("an object does not have its type's shape")?;
    let back = serde_json::to_value(&typed).context("an object cannot be written")?;
    ensure!(
        back == json,
        "a field of an object is not known to its type: {json}"
    );
    print(&typed)
}

/// A typed object as YAML.
pub(super) fn print<T: Serialize>(object: &T) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(object).context("an object cannot be written")?;
    whole_numbers(&mut value);
    let options = serde_saphyr::ser_options! {
        // Long texts stay on one line: folding would move with every word that changes.
        prefer_block_scalars: false,
    };
    serde_saphyr::to_string_with_options(&value, options).context("an object cannot be written as YAML")
}

/// Bounds in schemas are floats by their type; whole ones are written as people, and kubectl, write them.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let whole = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0);
            // As text: a float that is whole and no wider than an integer reads back as one.
            if let Some(whole) = whole.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// One stream of several documents.
pub(super) fn join(documents: &[String]) -> String {
    let mut text = String::new();
    for document in documents {
        text.push_str("---\n");
        text.push_str(document.trim_end());
        text.push('\n');
    }
    text
}
