//! ModulePullOverride: a developer's tag instead of releases.

use super::resource::resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

resource! {
    /// A developer's image tag that a module follows instead of its releases. The name is the module's name.
    ModulePullOverride, "v1alpha2", "modulepulloverrides", spec: ModulePullOverrideSpec, status: ModulePullOverrideStatus
}

/// Which image the module follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModulePullOverrideSpec {
    /// Tag of the module image, such as `main` or `pr333`.
    #[schemars(length(max = 128))]
    pub image_tag: String,
    /// How often the registry is asked for a new image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub scan_interval: Option<String>,
    /// Whether the deployed release comes back when the override is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
}

/// Which image the module follows, as v1alpha1 says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModulePullOverrideSpecV1alpha1 {
    /// Tag of the module image, such as `main` or `pr333`.
    #[schemars(length(max = 128))]
    pub image_tag: String,
    /// How often the registry is asked for a new image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub scan_interval: Option<String>,
    /// Whether the deployed release comes back when the override is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
    /// ModuleSource to pull from. Required when an override is created in this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub source: Option<String>,
}

/// What became of the override.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModulePullOverrideStatus {
    /// `Ready`, or what stands in the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the module was last pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Time>,
    /// Digest of the image that was pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// Weight of the module that was pulled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}
