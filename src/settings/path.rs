//! Places in settings as people read them: `auth.password`, `list[0].x`, `labels[a.b/c]`.

use std::fmt::Write as _;

/// A place, grown step by step from the root of the settings (the empty path).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct FieldPath(String);

impl FieldPath {
    /// The place under `key`. A key with characters that would be misread stands in brackets.
    pub(super) fn key(&self, key: &str) -> Self {
        let plain = !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-');
        let mut path = self.0.clone();
        if !plain {
            let _ = write!(path, "[{key}]");
        } else if path.is_empty() {
            key.clone_into(&mut path);
        } else {
            let _ = write!(path, ".{key}");
        }
        Self(path)
    }

    /// The place of a list's item.
    pub(super) fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The place that a rule's `fieldPath` names below this one: `.a.b` or `['c']`.
    pub(super) fn join(&self, below: &str) -> Self {
        let below = below.trim().replace("['", "[").replace("']", "]");
        let below = below.strip_prefix('.').unwrap_or(&below);
        match (self.0.is_empty(), below.starts_with('[')) {
            _ if below.is_empty() => self.clone(),
            (true, _) => Self(below.to_owned()),
            (false, true) => Self(format!("{}{below}", self.0)),
            (false, false) => Self(format!("{}.{below}", self.0)),
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_places_as_people_read_them() {
        let root = FieldPath::default();
        assert_eq!(root.key("auth").key("password").into_string(), "auth.password");
        assert_eq!(root.key("list").index(0).key("x").into_string(), "list[0].x");
        assert_eq!(root.key("labels").key("a.b/c").into_string(), "labels[a.b/c]");
        assert_eq!(root.join(".a.b").into_string(), "a.b");
        assert_eq!(root.key("x").join("['a.b']").into_string(), "x[a.b]");
        assert_eq!(root.index(2).into_string(), "[2]");
    }
}
