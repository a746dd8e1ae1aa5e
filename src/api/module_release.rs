//! ModuleRelease: a version of a module on its way in.

use super::resource::resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

resource! {
    /// A version of a module on its way in. The name is `<module>-v<version>`.
    ModuleRelease, "v1alpha1", "modulereleases", spec: ModuleReleaseSpec, status: ModuleReleaseStatus
}

/// Which version of which module, and what it asks for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleReleaseSpec {
    /// Name of the module.
    #[schemars(length(max = 253))]
    pub module_name: String,
    /// Version, semver without a leading `v`.
    #[schemars(length(max = 253))]
    pub version: String,
    /// Order of the module among the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Before this time the release is not deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_after: Option<Time>,
    /// What the release needs before it can be deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// Jumps between versions that the release allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<ReleaseUpdate>,
    /// What changed, as the module's author tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changelog: Option<Map<String, Value>>,
}

/// Version constraints, such as `>= 1.25`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// Constraint on the platform's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deckhouse: Option<String>,
    /// Constraint on the Kubernetes version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// Constraints on other modules, by name; a value that ends in `!optional` binds only where that module is on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, String>,
}

/// Jumps between versions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseUpdate {
    /// The jumps that are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<VersionStep>,
}

/// An allowed jump: the deployed version must be at least `from` and below `to`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionStep {
    /// Lowest version to start from.
    pub from: String,
    /// Version that the jump leads to.
    pub to: String,
}

/// Where the release is on its way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleReleaseStatus {
    /// Where the release is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ReleasePhase>,
    /// What it waits for, or what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the phase last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transition_time: Option<Time>,
    /// Whether somebody approved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// Size of the unpacked module in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// How long the pull took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_duration: Option<String>,
    /// Digest of the module image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
}

/// Where a release is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReleasePhase {
    /// Waits; the message says for what.
    Pending,
    /// In use.
    Deployed,
    /// A newer one took its place.
    Superseded,
    /// Held back; read, never written.
    Suspended,
    /// Passed over; read, never written.
    Skipped,
    /// On its way out.
    Terminating,
}
