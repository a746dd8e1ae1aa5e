//! Opens `List`s: what `kubectl get -o yaml` prints is one document that holds many objects.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use super::tree::{Kind, MAX_DUPLICATES, Tree};
use super::{Document, Fault, Reading};

/// Adds the objects of one document to the reading: itself, or its items when it is a list.
pub(super) fn open(file: &Arc<str>, tree: Tree, value: Value, reading: &mut Reading) {
    if value.is_null() {
        return;
    }
    let tree = Arc::new(tree);
    open_node(file, &tree, 0, value, reading);
}

fn open_node(file: &Arc<str>, tree: &Arc<Tree>, root: u32, mut value: Value, reading: &mut Reading) {
    let Some(object) = value.as_object_mut() else {
        let what = match value {
            Value::Array(_) => "a list",
            Value::String(_) => "a text",
            Value::Number(_) => "a number",
            Value::Bool(_) => "a boolean",
            _ => "null",
        };
        let message =
            format!("expected a Kubernetes object (a mapping with apiVersion and kind), found {what}");
        reading.fault(file, Fault::new(tree.place(root), message));
        return;
    };
    let kind = object
        .get("kind")
        .and_then(Value::as_str)
        .and_then(|kind| kind.strip_suffix("List"));
    let is_list = kind.is_some()
        && object
            .get("items")
            .is_some_and(|items| items.is_array() || items.is_null());
    if !is_list {
        let duplicates = tree.duplicates(root);
        reading.documents.push(Document {
            file: file.clone(),
            value,
            tree: tree.clone(),
            root,
            duplicates,
        });
        return;
    }
    for node in tree
        .repeated(root, &mut HashSet::new())
        .into_iter()
        .take(MAX_DUPLICATES)
    {
        let key = tree.key_of(node).unwrap_or_default();
        let message = format!("the list has the field \"{key}\" twice; the last one counts");
        reading.fault(file, Fault::new(tree.place(node), message));
    }
    // The items of a typed list need not say what they are: the list does, by its own name.
    let kind = kind.filter(|kind| !kind.is_empty()).map(Value::from);
    let version = object.get("apiVersion").cloned();
    let Some(Value::Array(items)) = object.get_mut("items").map(Value::take) else {
        return;
    };
    let Some((node, Kind::List)) = tree.child(root, "items").map(|node| tree.resolved(node)) else {
        return;
    };
    for (mut item, node) in items.into_iter().zip(tree.children(node)) {
        if let (Some(item), Some(kind), Some(version)) = (item.as_object_mut(), &kind, &version)
            && !item.contains_key("kind")
            && !item.contains_key("apiVersion")
        {
            item.insert("kind".into(), kind.clone());
            item.insert("apiVersion".into(), version.clone());
        }
        open_node(file, tree, tree.resolved(node).0, item, reading);
    }
}
