//! A ModuleSettingsDefinition beside what it compiles to, so that no review compiles anything.

use crate::api::ModuleSettingsDefinition;
use crate::settings::Definition;
use serde::{Serialize, Serializer};
use std::ops::Deref;

/// The object, and its schemas, rules and conversions ready for use.
#[derive(Debug)]
pub struct SettingsDefinition {
    object: ModuleSettingsDefinition,
    compiled: Definition,
}

impl SettingsDefinition {
    /// Compiles the object's spec; what cannot be used of it is told by [`Definition::problems`].
    pub fn new(object: ModuleSettingsDefinition) -> Self {
        // Serialising these types cannot fail: their maps have string keys.
        let spec = serde_json::to_value(&object.spec).unwrap_or_default();
        Self {
            compiled: Definition::from_spec(&spec),
            object,
        }
    }

    /// What settings are judged by.
    pub const fn compiled(&self) -> &Definition {
        &self.compiled
    }
}

impl Deref for SettingsDefinition {
    type Target = ModuleSettingsDefinition;

    fn deref(&self) -> &ModuleSettingsDefinition {
        &self.object
    }
}

impl PartialEq for SettingsDefinition {
    fn eq(&self, other: &Self) -> bool {
        self.object == other.object
    }
}

impl Serialize for SettingsDefinition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object.serialize(serializer)
    }
}
