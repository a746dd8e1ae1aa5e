//! Who refers to whom, kept in step with the objects.

use super::Object;
use crate::api::{Resource, names};
use crate::values::Repository;
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};

/// A question that the index answers: the names of the objects whose field has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum By {
    ConfigPolicy,
    ConfigSource,
    OverrideSource,
    SourceRepository,
    ReleaseSource,
    ReleaseModule,
    ModuleGroup,
    ModuleRequirement,
}

/// Names by question and value.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    names: HashMap<By, HashMap<String, BTreeSet<String>>>,
}

impl Index {
    pub(super) fn get(&self, by: By, value: &str) -> impl Iterator<Item = &str> {
        self.names
            .get(&by)
            .and_then(|names| names.get(value))
            .into_iter()
            .flatten()
            .map(String::as_str)
    }

    pub(super) fn add(&mut self, object: &Object) {
        for (by, value) in values(object) {
            self.names
                .entry(by)
                .or_default()
                .entry(value)
                .or_default()
                .insert(object.name().to_owned());
        }
    }

    pub(super) fn take(&mut self, object: &Object) {
        for (by, value) in values(object) {
            let Some(names) = self.names.get_mut(&by) else {
                continue;
            };
            if let Some(set) = names.get_mut(&value) {
                set.remove(object.name());
                if set.is_empty() {
                    names.remove(&value);
                }
            }
        }
    }
}

/// Under which values an object is found.
fn values(object: &Object) -> Vec<(By, String)> {
    match object {
        Object::ModuleConfig(config) => {
            let policy = config
                .spec
                .update_policy()
                .map(|policy| (By::ConfigPolicy, policy.to_owned()));
            let source = config
                .spec
                .source()
                .map(|source| (By::ConfigSource, source.to_owned()));
            policy.into_iter().chain(source).collect()
        }
        Object::ModulePullOverride(object) => source_of_override(object.as_ref())
            .map(|source| (By::OverrideSource, source))
            .into_iter()
            .collect(),
        Object::ModuleSource(source) => Repository::parse(&source.spec.registry.repo)
            .map(|repository| (By::SourceRepository, repository.normalised()))
            .into_iter()
            .collect(),
        Object::ModuleRelease(release) => {
            let label = release.label(names::label::SOURCE).map(str::to_owned);
            let owners = release.metadata.owner_references.iter().flatten();
            let owners = owners
                .filter(|owner| owner.kind == "ModuleSource")
                .map(|owner| owner.name.clone());
            let sources = label
                .into_iter()
                .chain(owners)
                .map(|source| (By::ReleaseSource, source));
            sources
                .chain([(By::ReleaseModule, release.spec.module_name.clone())])
                .collect()
        }
        Object::Module(module) => {
            let group = module
                .properties
                .exclusive_group
                .clone()
                .map(|group| (By::ModuleGroup, group));
            let requirements = module
                .properties
                .requirements
                .iter()
                .flat_map(|all| all.modules.keys());
            group
                .into_iter()
                .chain(requirements.map(|name| (By::ModuleRequirement, name.clone())))
                .collect()
        }
        Object::ModuleUpdatePolicy(_) | Object::ModuleSettingsDefinition(_) => Vec::new(),
    }
}

/// The source that an override was written with in v1alpha1; the annotation holds one flat JSON object (CV-1).
pub(super) fn source_of_override(object: &impl Resource) -> Option<String> {
    let fields: Value = serde_json::from_str(object.annotation(names::annotation::V1ALPHA1_FIELDS)?).ok()?;
    fields
        .get("source")?
        .as_str()
        .filter(|source| !source.is_empty())
        .map(str::to_owned)
}
