//! The shape of a document: where each field and item stands, without the values.
//!
//! Nodes lie in the order of the text, each knowing where the node after its subtree is, and keys lie in one
//! string: a million fields cost no allocation of their own.

use std::collections::HashSet;
use std::ops::Range;

use super::{Duplicate, Place};

/// How many duplicate keys of a document are told: whoever has more will not read the rest.
pub(super) const MAX_DUPLICATES: usize = 100;

/// The shape of one document.
#[derive(Debug, Default)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    keys: String,
}

#[derive(Clone, Copy, Debug)]
struct Node {
    line: u32,
    column: u32,
    /// The node after this one's subtree.
    next: u32,
    key: Key,
    kind: Kind,
}

/// How a node is reached from its parent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// It is a list's item, or the root.
    None,
    /// It is a mapping's field; the key is a range of [`Tree::keys`].
    Field { start: u32, len: u32 },
    /// It stands under a merge key (`<<`): its fields are the parent's.
    Merge,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A scalar, with the reader's number for it.
    Scalar(u32),
    /// A list.
    List,
    /// A mapping.
    Map,
    /// An alias of another node, which is never an alias itself.
    Alias(u32),
}

impl Tree {
    /// Adds a key to the tree's keys.
    pub(super) fn key(&mut self, key: &str) -> Key {
        let start = narrow(self.keys.len());
        self.keys.push_str(key);
        Key::Field {
            start,
            len: narrow(key.len()),
        }
    }

    /// Adds a node without children, behind all others.
    pub(super) fn push(&mut self, place: Place, key: Key, kind: Kind) -> u32 {
        let index = narrow(self.nodes.len());
        let (line, column) = (narrow(place.line), narrow(place.column));
        self.nodes.push(Node {
            line,
            column,
            next: index + 1,
            key,
            kind,
        });
        index
    }

    /// Ends a list or mapping: the nodes added since belong to it.
    pub(super) fn close(&mut self, index: u32) {
        let next = narrow(self.nodes.len());
        self.nodes[index as usize].next = next;
    }

    /// Where a node stands: a field's key, an item's start.
    pub(super) fn place(&self, index: u32) -> Place {
        let node = &self.nodes[index as usize];
        Place {
            line: node.line as usize,
            column: node.column as usize,
        }
    }

    /// A node's kind, an alias followed.
    pub(super) fn resolved(&self, index: u32) -> (u32, Kind) {
        match self.nodes[index as usize].kind {
            Kind::Alias(target) => (target, self.nodes[target as usize].kind),
            kind => (index, kind),
        }
    }

    /// A node's own kind.
    pub(super) fn kind(&self, index: u32) -> Kind {
        self.nodes[index as usize].kind
    }

    /// How a node is reached, a field's key in words.
    pub(super) fn key_of(&self, index: u32) -> Option<&str> {
        match self.nodes[index as usize].key {
            Key::Field { start, len } => self.keys.get(start as usize..(start + len) as usize),
            Key::None | Key::Merge => None,
        }
    }

    /// Whether a node stands under a merge key.
    pub(super) fn merged(&self, index: u32) -> bool {
        matches!(self.nodes[index as usize].key, Key::Merge)
    }

    /// The nodes right under a node, in the order of the text.
    pub(super) fn children(&self, index: u32) -> Children<'_> {
        Children {
            tree: self,
            range: index + 1..self.nodes[index as usize].next,
        }
    }

    /// Where the field that `path` names from `root` stands, or its nearest ancestor that is there.
    pub(super) fn find(&self, root: u32, path: &str) -> Place {
        let (mut node, mut rest) = (root, path);
        while !rest.is_empty() {
            let (target, kind) = self.resolved(node);
            let step = match kind {
                Kind::List => self.item(target, rest),
                Kind::Map => self.field(target, rest).map(|found| (found.node, found.rest)),
                Kind::Scalar(_) | Kind::Alias(_) => None,
            };
            let Some(step) = step else { break };
            (node, rest) = step;
        }
        self.place(node)
    }

    /// The child of a mapping by key; of duplicates the last, as in the value.
    pub(super) fn child(&self, map: u32, key: &str) -> Option<u32> {
        let (target, kind) = self.resolved(map);
        let found = if kind == Kind::Map {
            self.field(target, key)
        } else {
            None
        };
        found
            .filter(|found| found.rest.is_empty())
            .map(|found| found.node)
    }

    fn item<'p>(&self, list: u32, path: &'p str) -> Option<(u32, &'p str)> {
        let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
        let node = self.children(list).nth(index.parse().ok()?)?;
        Some((node, rest))
    }

    /// The field at the head of `path`. Keys may hold dots and brackets themselves, so the longest key that fits
    /// is the one meant.
    fn field<'p>(&self, map: u32, path: &'p str) -> Option<Found<'p>> {
        let mut best = None;
        self.better_field(map, path, &mut best);
        best
    }

    fn better_field<'p>(&self, map: u32, path: &'p str, best: &mut Option<Found<'p>>) {
        for node in self.children(map) {
            if self.merged(node) {
                for source in self.merge_sources(node) {
                    self.better_field(source, path, best);
                }
            } else if let Some(rest) = self.key_of(node).and_then(|key| after(path, key))
                && best.as_ref().is_none_or(|best| rest.len() <= best.rest.len())
            {
                *best = Some(Found { node, rest });
            }
        }
    }

    /// The mappings that a merge key names, in the order in which they are laid over the parent: of a list the
    /// last comes first, so that the first one wins.
    pub(super) fn merge_sources(&self, node: u32) -> Vec<u32> {
        let (target, kind) = self.resolved(node);
        match kind {
            Kind::List => {
                let mut items: Vec<u32> = self.children(target).map(|item| self.resolved(item).0).collect();
                items.reverse();
                items
            }
            _ => vec![target],
        }
    }

    /// The keys that occur a second time in a mapping under `root`.
    pub(super) fn duplicates(&self, root: u32) -> Vec<Duplicate> {
        let mut seen = HashSet::new();
        let maps = (root..self.nodes[root as usize].next).filter(|node| self.kind(*node) == Kind::Map);
        let repeated = maps.flat_map(|map| self.repeated(map, &mut seen));
        repeated
            .take(MAX_DUPLICATES)
            .map(|node| Duplicate {
                path: self.path(root, node),
                place: self.place(node),
            })
            .collect()
    }

    /// The fields of one mapping whose key stood in it before. `seen` is emptied first.
    pub(super) fn repeated<'t>(&'t self, map: u32, seen: &mut HashSet<&'t str>) -> Vec<u32> {
        seen.clear();
        self.children(map)
            .filter(|child| self.key_of(*child).is_some_and(|key| !seen.insert(key)))
            .collect()
    }

    /// The path from `root` to a node in its subtree, as causes write it.
    fn path(&self, root: u32, node: u32) -> String {
        let mut path = String::new();
        let mut at = root;
        while at != node {
            let Some((position, child)) = self
                .children(at)
                .enumerate()
                .find(|(_, child)| (*child..self.nodes[*child as usize].next).contains(&node))
            else {
                break;
            };
            match self.key_of(child) {
                Some(key) => push_key(&mut path, key),
                None if self.merged(child) => push_key(&mut path, "<<"),
                None => path.extend(["[", &position.to_string(), "]"]),
            }
            at = child;
        }
        path
    }
}

struct Found<'p> {
    node: u32,
    /// What of the path is left behind the field.
    rest: &'p str,
}

/// The nodes right under one.
pub(super) struct Children<'t> {
    tree: &'t Tree,
    range: Range<u32>,
}

impl Iterator for Children<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let index = self.range.start;
        if self.range.is_empty() {
            return None;
        }
        self.range.start = self.tree.nodes[index as usize].next;
        Some(index)
    }
}

/// What is left of `path` behind `key`, when the path starts with it: `key`, `.key` or `[key]`.
fn after<'p>(path: &'p str, key: &str) -> Option<&'p str> {
    if let Some(rest) = path.strip_prefix('[')
        && let Some(rest) = rest.strip_prefix(key).and_then(|rest| rest.strip_prefix(']'))
    {
        return Some(rest);
    }
    let rest = path.strip_prefix('.').unwrap_or(path).strip_prefix(key)?;
    (rest.is_empty() || rest.starts_with(['.', '['])).then_some(rest)
}

/// Appends a key: plain after a dot, in brackets when it holds what a path is made of.
fn push_key(path: &mut String, key: &str) {
    if key.is_empty() || key.contains(['.', '/', '[', ']']) {
        path.extend(["[", key, "]"]);
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
}

/// Texts are at most [`super::MAX_BYTES`] long, so that lines, columns, keys and nodes all count within 32 bits.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
