//! Module: a module that a source offers, made by Hatchway and never by people.

use super::resource::resource;
use super::{Condition, ConditionStatus, ConditionType, Requirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

resource! {
    /// A module that can be enabled in the cluster. Created by Hatchway, never by people.
    Module, "v1alpha1", "modules", properties: ModuleProperties, status: ModuleStatus
}

impl Module {
    /// Whether the module comes with the platform instead of a source.
    pub fn is_embedded(&self) -> bool {
        self.properties.source.as_deref() == Some(super::names::EMBEDDED_SOURCE)
    }

    /// The status of a condition, where it was written.
    pub fn condition(&self, type_: ConditionType) -> Option<ConditionStatus> {
        self.status
            .as_ref()?
            .conditions
            .iter()
            .find(|c| c.type_ == type_)
            .map(|c| c.status)
    }
}

/// What is known of the module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleProperties {
    /// Order of the module among the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
    /// Active source of the module, or `Embedded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Version in use, with its `v`, or the tag of an override.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Release channel that the module follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_channel: Option<String>,
    /// How finished the module is, such as `Experimental` or `General Availability`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// Whether the cluster cannot do without the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<bool>,
    /// Namespace of the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Parts of the platform that the module belongs to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsystems: Vec<String>,
    /// Update policy in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub update_policy: Option<String>,
    /// Of the modules of one group only one can be enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_group: Option<String>,
    /// Sources that offer the module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub available_sources: Vec<String>,
    /// What the module needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requirements: Option<Requirements>,
    /// What stands before disabling the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disable_options: Option<DisableOptions>,
    /// Editions and bundles in which the module is available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessibility: Option<Map<String, Value>>,
}

/// What stands before disabling a module.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DisableOptions {
    /// Whether disabling must be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmation: Option<bool>,
    /// What disabling would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How the module is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleStatus {
    /// Where the module is between offered and running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<ModulePhase>,
    /// What the install hook last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks_state: Option<String>,
    /// `True`, `False`, or `Error`: made for the column, since a condition cannot say `Error`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// What was observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Where a module is between offered and running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ModulePhase {
    /// A source offers it.
    Available,
    /// Its image is being pulled.
    Downloading,
    /// Its image is on disk and being installed.
    Installing,
    /// It runs.
    Ready,
    /// It does not run; `hooksState` says why.
    Error,
    /// Several sources offer it and none was chosen.
    Conflict,
    /// It is on disk and disabled.
    Downloaded,
    /// It is being changed.
    Reconciling,
    /// No source offers it.
    Unavailable,
}
