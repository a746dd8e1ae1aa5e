//! ModuleUpdatePolicy: channel, mode and windows of updates.

use super::resource::resource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

resource! {
    /// How the modules that name the policy are updated.
    ModuleUpdatePolicy, "v1alpha2", "moduleupdatepolicies", spec: ModuleUpdatePolicySpec
}

/// Channel, mode and windows of updates.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleUpdatePolicySpec {
    /// Release channel that the modules follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_channel: Option<ReleaseChannel>,
    /// When and how new releases are deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
}

/// Channel, mode and windows of updates, as v1alpha1 says it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleUpdatePolicySpecV1alpha1 {
    /// Release channel that the modules follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_channel: Option<ReleaseChannel>,
    /// When and how new releases are deployed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update: Option<Update>,
    /// Has no effect: the policy is named in ModuleConfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module_release_selector: Option<ReleaseSelector>,
}

/// Releases that v1alpha1 policies were meant for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSelector {
    /// Labels of the releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub label_selector: Option<BTreeMap<String, serde_json::Value>>,
}

/// A release channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ReleaseChannel {
    /// Newest, least tried.
    Alpha,
    /// After Alpha.
    Beta,
    /// After Beta.
    EarlyAccess,
    /// After EarlyAccess.
    #[default]
    Stable,
    /// Oldest, most tried.
    RockSolid,
    /// Long-term support: releases are jumped to.
    Lts,
}

impl ReleaseChannel {
    /// The channel's tag in a registry (REG-1): kebab-case, such as `early-access`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::Alpha => "alpha",
            Self::Beta => "beta",
            Self::EarlyAccess => "early-access",
            Self::Stable => "stable",
            Self::RockSolid => "rock-solid",
            Self::Lts => "lts",
        }
    }
}

/// When and how new releases are deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// What is deployed by itself: everything (`Auto`), patches (`AutoPatch`), nothing without approval (`Manual`), nothing at all (`Ignore`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<UpdateMode>,
    /// Times, in UTC, at which releases are deployed; none means always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub windows: Option<Vec<UpdateWindow>>,
}

/// What is deployed by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpdateMode {
    /// Everything, in the windows.
    #[default]
    Auto,
    /// Patches in the windows; minor and major versions with approval.
    AutoPatch,
    /// Nothing without approval.
    Manual,
    /// Nothing at all.
    Ignore,
}

/// A span of time in which releases are deployed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpdateWindow {
    /// Start of the window, UTC, such as `8:00`.
    #[schemars(length(max = 5))]
    pub from: String,
    /// End of the window, UTC, not included, such as `10:30`. Earlier than `from`, it is on the next day.
    #[schemars(length(max = 5))]
    pub to: String,
    /// Days on which the window opens; none means every day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 7),
        extend("items" = {"type": "string", "enum": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]})
    )]
    pub days: Option<Vec<String>>,
}
