//! ModuleConfig: whether a module runs, with which settings, from which source, by which policy.

use super::resource::resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

resource! {
    /// Whether a module runs, with which settings, from which source and by which update policy. The name is the
    /// module's name; `global` is the one name that is no module.
    ModuleConfig, "v1alpha1", "moduleconfigs", spec: ModuleConfigSpec, status: ModuleConfigStatus
}

/// What should become of the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleConfigSpec {
    /// Turns the module on or off; without it the platform decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Version of the settings schema that `settings` are written for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub version: Option<u32>,
    /// Settings of the module, judged by the module's own schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings: Option<Map<String, Value>>,
    /// ModuleSource to take the module from, where several offer it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub source: Option<String>,
    /// ModuleUpdatePolicy of the module; without it the platform's own update settings hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub update_policy: Option<String>,
    /// Pauses the reconciliation of the module while people work on its resources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<Maintenance>,
}

impl ModuleConfigSpec {
    /// The chosen source; an empty string is none.
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref().filter(|source| !source.is_empty())
    }

    /// The chosen policy; an empty string is none.
    pub fn update_policy(&self) -> Option<&str> {
        self.update_policy.as_deref().filter(|policy| !policy.is_empty())
    }
}

/// A way of pausing a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Maintenance {
    /// Nothing of the module is changed.
    NoResourceReconciliation,
}

/// What became of the configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleConfigStatus {
    /// Version of the settings schema in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What people should know: an update of the schema, an error, or why the configuration is ignored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
