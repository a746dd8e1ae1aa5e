//! The resources: typed objects of group `deckhouse.io`, their schemas and the facts about them that the whole
//! program shares (defaults, annotation keys, texts). No logic beyond accessors; this room knows only `values`.

mod conditions;
pub mod crds;
pub mod defaults;
pub mod installation;
mod kind;
mod module;
mod module_config;
mod module_pull_override;
mod module_release;
mod module_settings_definition;
mod module_source;
mod module_update_policy;
pub mod names;
mod resource;
pub mod schemas;
pub mod words;

pub use conditions::{Condition, ConditionStatus, ConditionType};
pub use kind::{GROUP, Kind, Served};
pub use module::{DisableOptions, Module, ModulePhase, ModuleProperties, ModuleStatus};
pub use module_config::{Maintenance, ModuleConfig, ModuleConfigSpec, ModuleConfigStatus};
pub use module_pull_override::{
    ModulePullOverride, ModulePullOverrideSpec, ModulePullOverrideSpecV1alpha1, ModulePullOverrideStatus,
};
pub use module_release::{
    ModuleRelease, ModuleReleaseSpec, ModuleReleaseStatus, ReleasePhase, ReleaseUpdate, Requirements,
    VersionStep,
};
pub use module_settings_definition::{
    Conversion, Descriptions, ModuleSettingsDefinition, ModuleSettingsDefinitionSpec, SettingsSchema,
    SettingsVersion,
};
pub use module_source::{
    ModuleSource, ModuleSourceSpec, ModuleSourceStatus, Registry, Scheme, SourceModule, SourcePhase,
};
pub use module_update_policy::{
    ModuleUpdatePolicy, ModuleUpdatePolicySpec, ModuleUpdatePolicySpecV1alpha1, ReleaseChannel,
    ReleaseSelector, Update, UpdateMode, UpdateWindow,
};
pub use resource::Resource;
