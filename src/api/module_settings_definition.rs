//! ModuleSettingsDefinition: what a module's image says of its settings.

use super::resource::resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

resource! {
    /// What a module's image says of its settings, so that every replica of the webhook can judge `spec.settings`
    /// without the module's files. Written by Hatchway; the name is the module's name.
    ModuleSettingsDefinition, "v1alpha1", "modulesettingsdefinitions", spec: ModuleSettingsDefinitionSpec
}

/// The versions of a module's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleSettingsDefinitionSpec {
    /// The versions, of which the highest is the latest.
    #[serde(default)]
    pub versions: Vec<SettingsVersion>,
}

/// One version of a module's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SettingsVersion {
    /// Number of the version, as text: the schema's `x-config-version`, `1` where it has none.
    #[schemars(length(max = 10), regex(pattern = "^[1-9][0-9]*$"))]
    pub name: String,
    /// What the settings look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<SettingsSchema>,
    /// Steps that lead to this version from the one before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conversions: Vec<Conversion>,
}

/// A schema, as CRDs hold it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SettingsSchema {
    /// OpenAPI v3.0 schema of the settings.
    #[serde(rename = "openAPIV3Schema", default, skip_serializing_if = "Option::is_none")]
    pub open_api_v3_schema: Option<Map<String, Value>>,
}

/// A step between two versions of settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Conversion {
    /// jq filters, applied in order.
    #[serde(default)]
    pub expr: Vec<String>,
    /// What changes, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptions: Option<Descriptions>,
}

/// A text in several languages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Descriptions {
    /// English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub en: Option<String>,
    /// Russian.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ru: Option<String>,
}
