//! ModuleSource: a registry of modules.

use super::resource::resource;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

resource! {
    /// A container registry from which modules are taken.
    ModuleSource, "v1alpha1", "modulesources", spec: ModuleSourceSpec, status: ModuleSourceStatus
}

/// Where the registry is and how often it is looked at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleSourceSpec {
    /// The registry and the way in.
    pub registry: Registry,
    /// How often the registry is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub scan_interval: Option<String>,
    /// Deprecated and ignored: the channel stands in the update policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub release_channel: Option<String>,
}

/// A container registry.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// Repository under which the modules are, such as `registry.example.com/deckhouse/modules`.
    #[schemars(length(max = 512))]
    pub repo: String,
    /// Protocol of the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// Access to the registry: a docker config, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub docker_cfg: Option<String>,
    /// PEM certificates that the registry's certificate is checked against, beside the well-known ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

// By hand: a registry is printed in logs and test failures, its credentials never are.
impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            repo,
            scheme,
            docker_cfg,
            ca,
        } = self;
        f.debug_struct("Registry")
            .field("repo", repo)
            .field("scheme", scheme)
            .field("docker_cfg", &docker_cfg.as_ref().map(|_| "…"))
            .field("ca", ca)
            .finish()
    }
}

/// Protocol of a registry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Scheme {
    /// Plain HTTP.
    #[serde(rename = "HTTP")]
    Http,
    /// HTTP over TLS.
    #[default]
    #[serde(rename = "HTTPS")]
    Https,
}

/// What was found in the registry.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleSourceStatus {
    /// Whether the source is in use or on its way out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<SourcePhase>,
    /// When the registry was last looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync_time: Option<Time>,
    /// How the last look went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How many modules are listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules_count: Option<u32>,
    /// The modules that the source offers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub modules: Vec<SourceModule>,
}

/// Whether a source is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SourcePhase {
    /// In use.
    Active,
    /// On its way out.
    Terminating,
}

/// A module as one source offers it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceModule {
    /// Name of the module.
    pub name: String,
    /// Version on the policy's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Digest of the channel's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Update policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<String>,
    /// Whether a ModulePullOverride stands in for the releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overridden: Option<bool>,
    /// Why the module could not be read from the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull_error: Option<String>,
}
