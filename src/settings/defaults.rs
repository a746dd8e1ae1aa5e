//! Defaults, as the API server fills them in for a structural schema (rule MC-7).

use serde_json::Value;

use super::node::Node;

/// Drops nulls that the schema does not allow and fills in defaults, in place, parents before children, so
/// that a default of `{}` gets the defaults of its own fields.
///
/// Doing it twice changes nothing.
pub(super) fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(object) => {
            // A null where none is allowed counts as absence; only a default can bring the field back. A map's
            // own keys have no other chance: once dropped, nobody knows that they were there.
            if let Some(additional) = node.additional.as_deref()
                && let Some(default) = &additional.default
                && additional.refuses_null()
            {
                for (key, value) in object.iter_mut() {
                    if value.is_null() && !node.properties.contains_key(key) {
                        *value = default.clone();
                    }
                }
            }
            object.retain(|key, value| {
                !value.is_null() || node.child(key).is_none_or(|child| !child.refuses_null())
            });
            for (key, child) in &node.properties {
                if let Some(default) = &child.default
                    && !object.contains_key(key)
                {
                    object.insert(key.clone(), default.clone());
                }
            }
            for (key, value) in object {
                if let Some(child) = node.child(key) {
                    fill(value, child);
                }
            }
        }
        Value::Array(items) => {
            if let Some(child) = node.items.as_deref() {
                for item in items {
                    // A list has no absence: without a default the null stays and the type check tells it.
                    if item.is_null()
                        && child.refuses_null()
                        && let Some(default) = &child.default
                    {
                        *item = default.clone();
                    }
                    fill(item, child);
                }
            }
        }
        _ => {}
    }
}
