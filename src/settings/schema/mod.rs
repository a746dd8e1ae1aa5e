//! OpenAPI v3.0 as modules write it, read into JSON Schema draft 7 for jsonschema and into our own [`Node`] tree.
//!
//! Fine points of rule MC-7: `additionalProperties: false` is implied on objects with `properties`, but not inside
//! `allOf`, `anyOf`, `oneOf`, and keys that only a branch declares are known; `nullable`, boolean exclusive bounds,
//! int-or-string and `enum` mean what kube-openapi takes them for. References are written out in place, so that
//! nothing is looked up during a review.

mod keywords;

use std::collections::{BTreeMap, HashMap};

use std::sync::Arc;

use regex::bytes::Regex;
use serde_json::{Map, Value, json};

use super::node::Node;
use super::problem::{LoadProblem, ProblemKind};
use super::reference;
use super::rules::{self, Rule};

/// Schemas within schemas. The API server's parser stops settings long before.
const MAX_DEPTH: usize = 256;
/// Schemas in one document once references are written out: 10,000 properties fit many times, a chain of
/// references that doubles at each step does not.
const MAX_NODES: usize = 100_000;
/// The keyword under which a pattern is handed to our own implementation.
pub(super) const PATTERN: &str = "x-hatchway-pattern";
/// The keyword under which a format is handed to our own implementation.
pub(super) const FORMAT: &str = "x-hatchway-format";

/// A schema, read.
pub(super) struct Normalised {
    /// Draft 7 without references, for jsonschema.
    pub draft7: Value,
    /// The same as a tree.
    pub root: Node,
    /// The patterns by their text, compiled.
    pub patterns: HashMap<String, Arc<Regex>>,
}

/// Reads the schema; `None` when a problem of kind [`ProblemKind::Schema`] was told.
pub(super) fn normalise(document: &Value, path: &str, problems: &mut Vec<LoadProblem>) -> Option<Normalised> {
    let mut reader = Reader {
        document,
        problems,
        patterns: HashMap::new(),
        following: Vec::new(),
        nodes: 0,
        failed: false,
    };
    let (draft7, root) = reader.read(
        document,
        &[],
        Place {
            path: path.to_owned(),
            depth: 0,
            branch: Branch::No,
        },
    );
    let (failed, patterns) = (reader.failed, reader.patterns);
    (!failed).then_some(Normalised {
        draft7,
        root,
        patterns,
    })
}

struct Reader<'a, 'p> {
    document: &'a Value,
    problems: &'p mut Vec<LoadProblem>,
    patterns: HashMap<String, Arc<Regex>>,
    /// The references being written out, outermost first.
    following: Vec<&'a str>,
    nodes: usize,
    failed: bool,
}

#[derive(Clone)]
struct Place {
    path: String,
    depth: usize,
    branch: Branch,
}

/// Whether a schema stands inside `allOf` (its rules bind) or another branch (they would bind too much).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Branch {
    No,
    All,
    Other,
}

impl Place {
    fn below(&self, step: &str) -> Self {
        Self {
            path: format!("{}.{step}", self.path),
            depth: self.depth + 1,
            branch: self.branch,
        }
    }
}

impl<'a> Reader<'a, '_> {
    fn tell(&mut self, place: &Place, kind: ProblemKind, message: impl Into<String>) {
        self.failed |= kind == ProblemKind::Schema;
        self.problems.push(LoadProblem {
            path: place.path.clone(),
            message: message.into(),
            kind,
        });
    }

    /// One schema. `overlays` are the branches of parents that describe this same place.
    fn read(&mut self, schema: &'a Value, overlays: &[&'a Value], place: Place) -> (Value, Node) {
        self.nodes += 1;
        if self.failed {
            return (Value::Bool(true), Node::default());
        }
        if self.nodes > MAX_NODES {
            self.tell(
                &place,
                ProblemKind::Schema,
                format!("the schema has more than {MAX_NODES} parts"),
            );
            return (Value::Bool(true), Node::default());
        }
        if place.depth > MAX_DEPTH {
            self.tell(
                &place,
                ProblemKind::Schema,
                format!("the schema is nested deeper than {MAX_DEPTH}"),
            );
            return (Value::Bool(true), Node::default());
        }
        let schema = match schema {
            Value::Object(schema) => schema,
            Value::Bool(open) => return (Value::Bool(*open), Node::default()),
            _ => {
                self.tell(&place, ProblemKind::Schema, "a schema must be an object");
                return (Value::Bool(true), Node::default());
            }
        };
        // OpenAPI 3.0: what stands beside a $ref is not read.
        if let Some(reference) = schema.get("$ref") {
            return match self.follow(reference, &place) {
                Some((name, target)) => {
                    self.following.push(name);
                    let read = self.read(target, overlays, place);
                    self.following.pop();
                    read
                }
                None => (Value::Bool(true), Node::default()),
            };
        }
        self.read_object(schema, overlays, place)
    }

    fn follow(&mut self, reference: &'a Value, place: &Place) -> Option<(&'a str, &'a Value)> {
        let Value::String(reference) = reference else {
            self.tell(place, ProblemKind::Schema, "$ref must be a string");
            return None;
        };
        if self.following.contains(&reference.as_str()) || reference == "#" {
            self.tell(
                place,
                ProblemKind::Schema,
                format!("$ref \"{reference}\" runs in a circle"),
            );
            return None;
        }
        match reference::resolve(self.document, reference) {
            Ok(target) => Some((reference, target)),
            Err(why) => {
                self.tell(place, ProblemKind::Schema, why);
                None
            }
        }
    }

    fn read_object(
        &mut self,
        schema: &'a Map<String, Value>,
        overlays: &[&'a Value],
        place: Place,
    ) -> (Value, Node) {
        let mut out = Map::new();
        let mut node = Node::default();
        let mut branches: Vec<&'a Map<String, Value>> = Vec::new();
        for overlay in overlays {
            self.flatten(overlay, &mut branches, 0);
        }
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if let Some(Value::Array(list)) = schema.get(keyword) {
                for branch in list {
                    self.flatten(branch, &mut branches, 0);
                }
            }
        }

        self.types(schema, &mut out, &mut node, &place);
        self.scalars(schema, &mut out, &mut node, &place);
        self.texts(schema, &mut out, &mut node, &place);
        self.rules(schema, &mut node, &place);
        self.properties(schema, &branches, &mut out, &mut node, &place);
        self.items(schema, &branches, &mut out, &mut node, &place);
        self.combinators(schema, &mut out, &mut node, &place);
        node.sensitive =
            is_true(schema, "x-sensitive") || branches.iter().any(|branch| is_true(branch, "x-sensitive"));
        node.default = schema
            .get("default")
            .filter(|default| !default.is_null())
            .cloned();
        node.seal();
        (Value::Object(out), node)
    }

    /// The branch and the branches within it, references followed.
    fn flatten(&mut self, branch: &'a Value, into: &mut Vec<&'a Map<String, Value>>, depth: usize) {
        // What is wrong with the branch itself is told where it is read.
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return;
        }
        let Value::Object(map) = branch else { return };
        if let Some(Value::String(reference)) = map.get("$ref") {
            if let Ok(target) = reference::resolve(self.document, reference) {
                self.flatten(target, into, depth + 1);
            }
            return;
        }
        into.push(map);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            if let Some(Value::Array(list)) = map.get(keyword) {
                for inner in list {
                    self.flatten(inner, into, depth + 1);
                }
            }
        }
    }

    fn rules(&mut self, schema: &Map<String, Value>, node: &mut Node, place: &Place) {
        let mut bounds = None;
        for keyword in [rules::DECKHOUSE, rules::KUBERNETES] {
            let Some(list) = schema.get(keyword) else { continue };
            let place = Place {
                path: format!("{}.{keyword}", place.path),
                ..place.clone()
            };
            if place.branch == Branch::Other {
                self.tell(
                    &place,
                    ProblemKind::Rule,
                    "rules inside anyOf, oneOf and not are skipped",
                );
                continue;
            }
            let Value::Array(list) = list else {
                self.tell(
                    &place,
                    ProblemKind::Rule,
                    "rules must be a list, they are skipped",
                );
                continue;
            };
            for (index, rule) in list.iter().enumerate() {
                let place = Place {
                    path: format!("{}[{index}]", place.path),
                    ..place.clone()
                };
                match Rule::compile(keyword, rule) {
                    Ok(rule) => {
                        let cost = if rule.loops {
                            rule.cost_warning(bounds.get_or_insert_with(|| rules::bounds(schema)))
                        } else {
                            None
                        };
                        if let Some(cost) = cost {
                            self.tell(&place, ProblemKind::Cost, cost);
                        }
                        node.rules.push(rule);
                    }
                    Err(why) => self.tell(&place, ProblemKind::Rule, format!("the rule is skipped: {why}")),
                }
            }
        }
    }

    fn properties(
        &mut self,
        schema: &'a Map<String, Value>,
        branches: &[&'a Map<String, Value>],
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        let own = match schema.get("properties") {
            None => None,
            Some(Value::Object(own)) => Some(own),
            Some(_) => {
                self.tell(place, ProblemKind::Schema, "properties must be an object");
                return;
            }
        };
        // What the branches say of a key: it belongs to the key's own schema as much as to theirs.
        let mut described: BTreeMap<&'a str, Vec<&'a Value>> = BTreeMap::new();
        for branch in branches {
            if let Some(Value::Object(properties)) = branch.get("properties") {
                for (key, schema) in properties {
                    described.entry(key).or_default().push(schema);
                }
            }
        }
        let mut written = Map::new();
        for (key, property) in own.into_iter().flatten() {
            let overlays = described.remove(key.as_str()).unwrap_or_default();
            let (value, child) = self.read(property, &overlays, place.below("properties").step(key));
            written.insert(key.clone(), value);
            node.properties.insert(key.clone(), child);
        }

        match schema.get("additionalProperties") {
            Some(Value::Bool(allowed)) => {
                if !allowed {
                    out.insert("additionalProperties".to_owned(), closed(&written));
                }
            }
            Some(additional @ Value::Object(_)) => {
                let overlays: Vec<&'a Value> = branches
                    .iter()
                    .filter_map(|branch| branch.get("additionalProperties"))
                    .collect();
                let (value, child) = self.read(additional, &overlays, place.below("additionalProperties"));
                out.insert("additionalProperties".to_owned(), value);
                node.additional = Some(Box::new(child));
            }
            Some(_) => self.tell(
                place,
                ProblemKind::Schema,
                "additionalProperties must be a schema, true or false",
            ),
            None => {
                let open = own.is_none()
                    || place.branch != Branch::No
                    || is_true(schema, "x-kubernetes-preserve-unknown-fields")
                    || schema.contains_key("patternProperties");
                if !open {
                    for key in described.keys() {
                        written.insert((*key).to_owned(), Value::Bool(true));
                    }
                    out.insert("additionalProperties".to_owned(), closed(&written));
                }
            }
        }
        // Nodes of keys that only branches know: for messages and marks, defaults do not come from branches.
        if place.branch == Branch::No {
            for (key, schemas) in described {
                let Some((first, rest)) = schemas.split_first() else {
                    continue;
                };
                let mut below = place.below("properties").step(key);
                below.branch = Branch::Other;
                let told = self.problems.len();
                let (_, mut child) = self.read(first, rest, below);
                // The branch itself is read, too, and tells the same problems where they stand.
                self.problems.truncate(told);
                child.forget_effects();
                node.properties.insert(key.to_owned(), child);
            }
        }
        if !written.is_empty() {
            out.insert("properties".to_owned(), Value::Object(written));
        }
    }

    fn items(
        &mut self,
        schema: &'a Map<String, Value>,
        branches: &[&'a Map<String, Value>],
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        match schema.get("items") {
            None => {}
            Some(items @ (Value::Object(_) | Value::Bool(_))) => {
                let overlays: Vec<&'a Value> =
                    branches.iter().filter_map(|branch| branch.get("items")).collect();
                let (value, child) = self.read(items, &overlays, place.below("items"));
                out.insert("items".to_owned(), value);
                node.items = Some(Box::new(child));
            }
            Some(_) => self.tell(place, ProblemKind::Schema, "items must be a schema"),
        }
    }

    fn combinators(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        node: &mut Node,
        place: &Place,
    ) {
        let mut written = Map::new();
        for (keyword, branch) in [
            ("allOf", Branch::All),
            ("anyOf", Branch::Other),
            ("oneOf", Branch::Other),
        ] {
            match schema.get(keyword) {
                None => {}
                Some(Value::Array(list)) if !list.is_empty() => {
                    let mut values = Vec::with_capacity(list.len());
                    for (index, schema) in list.iter().enumerate() {
                        let mut below = place.below(&format!("{keyword}[{index}]"));
                        if below.branch != Branch::Other {
                            below.branch = branch;
                        }
                        let (value, child) = self.read(schema, &[], below);
                        values.push(value);
                        if branch == Branch::All {
                            node.adopt(child);
                        }
                    }
                    written.insert(keyword.to_owned(), Value::Array(values));
                }
                Some(_) => self.tell(
                    place,
                    ProblemKind::Schema,
                    format!("{keyword} must be a list of schemas"),
                ),
            }
        }
        if let Some(not) = schema.get("not") {
            let mut below = place.below("not");
            below.branch = Branch::Other;
            let (value, _) = self.read(not, &[], below);
            written.insert("not".to_owned(), value);
        }
        if written.is_empty() {
            return;
        }
        if node.nullable {
            // kube-openapi judges a null by type and enum alone.
            out.insert("if".to_owned(), json!({"type": "null"}));
            out.insert("else".to_owned(), Value::Object(written));
        } else {
            out.append(&mut written);
        }
    }
}

impl Place {
    fn step(mut self, key: &str) -> Self {
        self.path.push('.');
        self.path.push_str(key);
        self
    }
}

impl Node {
    /// Takes over the rules that an `allOf` branch lays on this place and below.
    fn adopt(&mut self, branch: Node) {
        self.rules.extend(branch.rules);
        for (key, child) in branch.properties {
            if child.rules_below {
                self.properties.entry(key).or_default().adopt_sealed(child);
            }
        }
        if let Some(child) = branch.items.filter(|child| child.rules_below) {
            self.items.get_or_insert_default().adopt_sealed(*child);
        }
        if let Some(child) = branch.additional.filter(|child| child.rules_below) {
            self.additional.get_or_insert_default().adopt_sealed(*child);
        }
    }

    fn adopt_sealed(&mut self, branch: Node) {
        self.adopt(branch);
        self.seal();
    }

    /// A key known only to branches: no defaults, no rules of its own.
    fn forget_effects(&mut self) {
        self.default = None;
        self.rules.clear();
        self.rules_below = false;
        // A null that only a branch could speak of is left to that branch.
        self.nullable = true;
        for child in self.properties.values_mut() {
            child.forget_effects();
        }
        for child in self.items.iter_mut().chain(self.additional.iter_mut()) {
            child.forget_effects();
        }
    }
}

/// Nothing but the keys that are known. Where none is, jsonschema's own `false` would not say which key is wrong.
fn closed(known: &Map<String, Value>) -> Value {
    if known.is_empty() {
        json!({"not": {}})
    } else {
        Value::Bool(false)
    }
}

fn is_true(schema: &Map<String, Value>, keyword: &str) -> bool {
    schema.get(keyword) == Some(&Value::Bool(true))
}
