//! The schema as a tree of what defaulting, rules and messages ask of it.
//!
//! jsonschema answers only "valid or not"; this tree, built in the same pass, knows defaults, marks and rules.

use std::collections::BTreeMap;

use serde_json::Value;

use super::rules::Rule;

/// One place in the settings, as the schema describes it.
#[derive(Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "marks of a schema, each read where it matters"
)]
pub(super) struct Node {
    /// The JSON type words as written: `integer`, `string`, …; empty where the schema leaves it open.
    pub types: Vec<String>,
    /// `nullable: true`.
    pub nullable: bool,
    /// What a missing value becomes.
    pub default: Option<Value>,
    /// Known keys, also those that only a branch of `allOf`, `anyOf` or `oneOf` declares.
    pub properties: BTreeMap<String, Node>,
    /// What the values under all other keys are.
    pub additional: Option<Box<Node>>,
    /// What the items of a list are.
    pub items: Option<Box<Node>>,
    /// `x-sensitive: true` on this very node.
    pub sensitive: bool,
    /// How CEL sees a string of this format.
    pub reading: Reading,
    /// `x-kubernetes-list-map-keys` of a list of type `map`.
    pub list_keys: Vec<String>,
    /// CEL rules of this node.
    pub rules: Vec<Rule>,
    /// Whether this node or one below has CEL rules: the walk goes only where they are.
    pub rules_below: bool,
    /// Whether this node or one below is marked sensitive.
    pub sensitive_below: bool,
}

/// How CEL reads a string, by `format`, as the API server does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    #[default]
    Plain,
    Timestamp,
    Duration,
    Bytes,
}

impl Node {
    /// The node under `key` of an object.
    pub(super) fn child(&self, key: &str) -> Option<&Node> {
        self.properties.get(key).or(self.additional.as_deref())
    }

    /// Whether a `null` here is dropped before defaulting (rule MC-7).
    pub(super) fn refuses_null(&self) -> bool {
        !self.nullable
    }

    /// Settles the flags once all children are there.
    pub(super) fn seal(&mut self) {
        let mut rules = !self.rules.is_empty();
        let mut sensitive = self.sensitive;
        for child in self.children() {
            rules |= child.rules_below;
            sensitive |= child.sensitive_below;
        }
        self.rules_below = rules;
        self.sensitive_below = sensitive;
    }

    /// All direct children.
    pub(super) fn children(&self) -> impl Iterator<Item = &Node> {
        self.properties
            .values()
            .chain(self.additional.as_deref())
            .chain(self.items.as_deref())
    }
}
