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
    let options = serde_saphyr::ser_options! {
        // Long texts stay on one line: folding would move with every word that changes.
        prefer_block_scalars: false,
    };
    serde_saphyr::to_string_with_options(object, options).context("an object cannot be written as YAML")
}

/// One stream of several documents.
pub(super) fn join(documents: &[String]) -> String {
    documents
        .iter()
        .map(|document| format!("---\n{}\n", document.trim_end()))
        .collect()
}
