//! Reads YAML: the events of the parser become a tree of places and a list of scalars, and those a JSON value.
//!
//! Two steps, because an alias is known by its node: expanding it where the value is built costs only what the
//! document really uses, and is counted.

use std::borrow::Cow;
use std::collections::HashMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, options};
use serde_json::{Map, Value};

use super::tree::{Key, Kind, Tree};
use super::{Fault, MAX_BYTES, MAX_DEPTH, Place, scalar};

/// What aliases and merges may still add to the documents of one file, in bytes: as much as the largest file that
/// is read holds itself, and far below what an "alias bomb" asks for.
pub(super) struct Expansion(usize);

impl Default for Expansion {
    fn default() -> Self {
        Self(MAX_BYTES)
    }
}

/// What a node costs at least when it is copied.
const NODE_COST: usize = 64;

/// Reads the YAML documents of a text whose first line is `line` in its file.
pub(super) fn read(
    text: &str,
    line: usize,
    expansion: &mut Expansion,
    found: &mut Vec<(Tree, Value)>,
) -> Result<(), Fault> {
    let skipped_lines = line - 1;
    let options = options! { emit_comments: false };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut shape = Shape::default();
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| fault(&error, skipped_lines))?;
        match event {
            Event::DocumentStart(..) => shape = Shape::default(),
            Event::DocumentEnd => {
                if !shape.is_empty() {
                    let value = shape.value(0, 0, false, expansion)?;
                    found.push((std::mem::take(&mut shape).tree, value));
                }
            }
            event => shape.event(event, place(&span, skipped_lines))?,
        }
    }
    Ok(())
}

fn place(span: &Span, skipped_lines: usize) -> Place {
    Place {
        line: span.start.line() + skipped_lines,
        column: span.start.col() + 1,
    }
}

fn fault(error: &ScanError, skipped_lines: usize) -> Fault {
    let mark = error.marker();
    let place = Place {
        line: mark.line() + skipped_lines,
        column: mark.col() + 1,
    };
    match error.kind() {
        ErrorKind::RecursionLimitExceeded => too_deep(place),
        kind => Fault::new(
            place,
            format!("is not YAML: {}", kind.to_string().replace('\n', " ")),
        ),
    }
}

fn too_deep(place: Place) -> Fault {
    Fault::new(place, format!("nests deeper than {MAX_DEPTH} levels"))
}

/// A document as its events come in.
#[derive(Default)]
struct Shape<'t> {
    tree: Tree,
    scalars: Vec<Scalar<'t>>,
    anchors: HashMap<usize, Anchor>,
    open: Vec<Open>,
    has_root: bool,
}

struct Scalar<'t> {
    text: Cow<'t, str>,
    plain: bool,
    tag: scalar::Tag,
    place: Place,
}

/// What an alias can mean.
#[derive(Clone, Copy)]
enum Anchor {
    Node(u32),
    /// A key, which is no node of its own.
    Scalar(u32),
}

/// A list or mapping that is not over yet.
struct Open {
    node: u32,
    is_map: bool,
    /// The key that waits for its value.
    key: Option<(Place, Key)>,
}

impl<'t> Shape<'t> {
    fn is_empty(&self) -> bool {
        !self.has_root
    }

    fn event(&mut self, event: Event<'t>, place: Place) -> Result<(), Fault> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.as_deref();
                let merge =
                    tag.map_or(style == ScalarStyle::Plain, |tag| in_yaml(tag, "merge")) && text == "<<";
                let tag = tag.map_or(scalar::Tag::None, tag_of);
                let number = u32::try_from(self.scalars.len()).unwrap_or(u32::MAX);
                self.scalars.push(Scalar {
                    text,
                    plain: style == ScalarStyle::Plain,
                    tag,
                    place,
                });
                if self.wants_key() {
                    let key = if merge { Key::Merge } else { self.key(number)? };
                    self.anchor(anchor, Anchor::Scalar(number));
                    self.set_key(place, key);
                } else {
                    let node = self.node(place, Kind::Scalar(number));
                    self.anchor(anchor, Anchor::Node(node));
                }
            }
            Event::Alias(id) => {
                let target = self.anchors.get(&id).copied();
                match target {
                    Some(target) if self.wants_key() => {
                        let number = match target {
                            Anchor::Scalar(number) => number,
                            Anchor::Node(node) => match self.tree.kind(node) {
                                Kind::Scalar(number) => number,
                                _ => return Err(complex_key(place)),
                            },
                        };
                        let key = self.key(number)?;
                        self.set_key(place, key);
                    }
                    Some(Anchor::Scalar(number)) => {
                        self.node(place, Kind::Scalar(number));
                    }
                    Some(Anchor::Node(node)) if self.open.iter().all(|open| open.node != node) => {
                        self.node(place, Kind::Alias(node));
                    }
                    _ => {
                        return Err(Fault::new(
                            place,
                            "the alias stands inside of what it is an alias of",
                        ));
                    }
                }
            }
            Event::SequenceStart(_, anchor, _) => self.open(place, Kind::List, anchor)?,
            Event::MappingStart(_, anchor, _) => self.open(place, Kind::Map, anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(open) = self.open.pop() {
                    self.tree.close(open.node);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn wants_key(&self) -> bool {
        self.open
            .last()
            .is_some_and(|open| open.is_map && open.key.is_none())
    }

    fn key(&mut self, number: u32) -> Result<Key, Fault> {
        let scalar = &self.scalars[number as usize];
        let key = scalar::key(&scalar.text, scalar.plain, scalar.tag)
            .map_err(|message| Fault::new(scalar.place, message))?;
        Ok(self.tree.key(&key))
    }

    fn set_key(&mut self, place: Place, key: Key) {
        if let Some(open) = self.open.last_mut() {
            open.key = Some((place, key));
        }
    }

    fn anchor(&mut self, id: usize, anchor: Anchor) {
        // The parser numbers anchors from 1.
        if id != 0 {
            self.anchors.insert(id, anchor);
        }
    }

    fn open(&mut self, place: Place, kind: Kind, anchor: usize) -> Result<(), Fault> {
        if self.wants_key() {
            return Err(complex_key(place));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        let node = self.node(place, kind);
        self.anchor(anchor, Anchor::Node(node));
        self.open.push(Open {
            node,
            is_map: kind == Kind::Map,
            key: None,
        });
        Ok(())
    }

    fn node(&mut self, place: Place, kind: Kind) -> u32 {
        self.has_root = true;
        let (place, key) = self
            .open
            .last_mut()
            .and_then(|open| open.key.take())
            .unwrap_or((place, Key::None));
        self.tree.push(place, key, kind)
    }

    /// The value of a node that stands `depth` levels deep; `copied` says that it comes out of an alias, and counts.
    fn value(
        &self,
        node: u32,
        depth: usize,
        copied: bool,
        expansion: &mut Expansion,
    ) -> Result<Value, Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(self.tree.place(node)));
        }
        let kind = self.tree.kind(node);
        let copied = copied || matches!(kind, Kind::Alias(_));
        if copied {
            self.pay(node, expansion)?;
        }
        match kind {
            Kind::Scalar(number) => {
                let scalar = &self.scalars[number as usize];
                scalar::value(&scalar.text, scalar.plain, scalar.tag)
                    .map_err(|message| Fault::new(scalar.place, message))
            }
            Kind::Alias(target) => self.value(target, depth, true, expansion),
            Kind::List => {
                let items = self.tree.children(node);
                items
                    .map(|item| self.value(item, depth + 1, copied, expansion))
                    .collect()
            }
            Kind::Map => {
                let mut map = Map::new();
                self.fill(&mut map, node, depth, copied, expansion)?;
                Ok(Value::Object(map))
            }
        }
    }

    /// Puts a mapping's fields into `map`. What comes later wins, be it merged or not: kubectl's reader takes a
    /// merge where it stands, so that fields written before `<<` lose to it.
    fn fill(
        &self,
        map: &mut Map<String, Value>,
        node: u32,
        depth: usize,
        copied: bool,
        expansion: &mut Expansion,
    ) -> Result<(), Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(self.tree.place(node)));
        }
        for child in self.tree.children(node) {
            if let Some(key) = self.tree.key_of(child) {
                let value = self.value(child, depth + 1, copied, expansion)?;
                map.insert(key.to_owned(), value);
                continue;
            }
            for source in self.tree.merge_sources(child) {
                if !matches!(self.tree.kind(source), Kind::Map) {
                    let message = "the merge key << takes a mapping, or a list of mappings";
                    return Err(Fault::new(self.tree.place(child), message));
                }
                self.pay(source, expansion)?;
                self.fill(map, source, depth + 1, true, expansion)?;
            }
        }
        Ok(())
    }

    /// Counts the copy of a node.
    fn pay(&self, node: u32, expansion: &mut Expansion) -> Result<(), Fault> {
        let text = match self.tree.kind(node) {
            Kind::Scalar(number) => self.scalars[number as usize].text.len(),
            _ => 0,
        };
        let key = self.tree.key_of(node).map_or(0, str::len);
        expansion.0 = expansion
            .0
            .checked_sub(NODE_COST + text + key)
            .ok_or_else(|| Fault::new(self.tree.place(node), "aliases make the document too large"))?;
        Ok(())
    }
}

fn complex_key(place: Place) -> Fault {
    Fault::new(place, "a list or a mapping cannot be a key")
}

fn tag_of(tag: &granit_parser::Tag) -> scalar::Tag {
    match tag.core_suffix() {
        Some("bool") => scalar::Tag::Bool,
        Some("int") => scalar::Tag::Int,
        Some("float") => scalar::Tag::Float,
        Some("null") => scalar::Tag::Null,
        _ if in_yaml(tag, "binary") => scalar::Tag::Binary,
        _ => scalar::Tag::Text,
    }
}

fn in_yaml(tag: &granit_parser::Tag, name: &str) -> bool {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
        .is_some_and(|suffix| suffix == name)
}
