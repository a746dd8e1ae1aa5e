//! What parent and child say to each other: one JSON document each way.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Bytes of a request: an object of 3 MiB, the filters beside it, and what JSON's escapes add.
pub(super) const MAX_REQUEST: u64 = 16 << 20;
/// Bytes of an answer. The API server takes no object of more than 3 MiB.
pub(super) const MAX_ANSWER: u64 = 4 << 20;

#[derive(Serialize)]
pub(super) struct Request<'a> {
    pub steps: Vec<StepOut<'a>>,
    pub secret_names: &'a BTreeSet<String>,
    pub settings: &'a Value,
}

#[derive(Serialize)]
pub(super) struct StepOut<'a> {
    pub from: u32,
    pub to: u32,
    pub filters: &'a [String],
}

#[derive(Deserialize)]
pub(super) struct RequestIn {
    pub steps: Vec<StepIn>,
    pub secret_names: BTreeSet<String>,
    pub settings: Value,
}

#[derive(Deserialize)]
pub(super) struct StepIn {
    pub from: u32,
    pub to: u32,
    pub filters: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub(super) enum Answer {
    /// The settings, converted.
    Settings(Value),
    /// A filter's own failure.
    Failed(Failure),
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
pub(super) struct Failure {
    pub from: u32,
    pub to: u32,
    /// The filter within its step, from 1.
    pub filter: usize,
    pub message: String,
}
