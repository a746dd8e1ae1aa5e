//! The objects as they are now, in memory: lookups and indexes, no I/O. Rules and release logic read it; the cluster
//! (a folder of files, or an API server's watches) fills it.

mod index;
mod object;
mod packed;
mod settings_definition;
mod shared;

pub use object::{Object, ReadObjectError};
pub use settings_definition::SettingsDefinition;
pub use shared::{Reading, Shared};

use crate::api::{
    ConditionStatus, ConditionType, Kind, Module, ModuleConfig, ModulePullOverride, ModuleRelease,
    ModuleSource, ModuleUpdatePolicy, ReleasePhase, Resource, names,
};
use crate::values::nearest;
use index::{By, Index};
use packed::Packed;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// How many names a suggestion compares at most, so that no verdict grows with the world.
const NAMES_COMPARED: usize = 1_000;

/// All objects of our kinds, by name, and the questions that rules ask of them, each answered by an index.
#[derive(Clone, Debug, Default)]
pub struct World {
    sources: Table<ModuleSource>,
    policies: Table<ModuleUpdatePolicy>,
    definitions: Table<SettingsDefinition>,
    modules: Table<Module>,
    configs: Table<ModuleConfig>,
    overrides: Table<ModulePullOverride>,
    releases: BTreeMap<String, Packed>,
    /// Objects that exist and cannot be read, with the reason.
    unreadable: BTreeMap<(Kind, String), String>,
    index: Index,
}

/// The objects of one kind by name.
type Table<K> = BTreeMap<String, Arc<K>>;

/// A kind whose objects a world holds ready. Releases are not: see [`World::release`].
pub trait Stored: Resource {
    /// The kind's table.
    fn table(world: &World) -> &BTreeMap<String, Arc<Self>>;
    /// Wraps an object of the kind.
    fn into_object(self: Arc<Self>) -> Object;
}

impl World {
    /// A world without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// The object of that kind and name.
    pub fn get<K: Stored>(&self, name: &str) -> Option<&Arc<K>> {
        K::table(self).get(name)
    }

    /// Whether an object of that kind and name exists, readable or not.
    pub fn has(&self, kind: Kind, name: &str) -> bool {
        let is_readable = match kind {
            Kind::ModuleSource => self.sources.contains_key(name),
            Kind::ModuleUpdatePolicy => self.policies.contains_key(name),
            Kind::ModuleSettingsDefinition => self.definitions.contains_key(name),
            Kind::Module => self.modules.contains_key(name),
            Kind::ModuleConfig => self.configs.contains_key(name),
            Kind::ModulePullOverride => self.overrides.contains_key(name),
            Kind::ModuleRelease => self.releases.contains_key(name),
        };
        is_readable || self.why_unreadable(kind, name).is_some()
    }

    /// The objects that exist and could not be read: kind, name, and why, without any value. Nothing else is known of
    /// them, so that no other lookup finds them.
    pub fn unreadable(&self) -> impl Iterator<Item = (Kind, &str, &str)> {
        self.unreadable
            .iter()
            .map(|((kind, name), why)| (*kind, name.as_str(), why.as_str()))
    }

    /// Why an object that exists could not be read; `None` where it could, or where there is none.
    pub fn why_unreadable(&self, kind: Kind, name: &str) -> Option<&str> {
        if self.unreadable.is_empty() {
            return None;
        }
        self.unreadable.get(&(kind, name.to_owned())).map(String::as_str)
    }

    /// How many objects of a kind there are, and how many of them cannot be read.
    pub fn count(&self, kind: Kind) -> (usize, usize) {
        let readable = match kind {
            Kind::ModuleSource => self.sources.len(),
            Kind::ModuleUpdatePolicy => self.policies.len(),
            Kind::ModuleSettingsDefinition => self.definitions.len(),
            Kind::Module => self.modules.len(),
            Kind::ModuleConfig => self.configs.len(),
            Kind::ModulePullOverride => self.overrides.len(),
            Kind::ModuleRelease => self.releases.len(),
        };
        let unreadable = self.unreadable.keys().filter(|(of, _)| *of == kind).count();
        (readable + unreadable, unreadable)
    }

    /// The names of all objects of a kind, readable or not.
    pub fn names(&self, kind: Kind) -> Vec<String> {
        let readable: Vec<String> = match kind {
            Kind::ModuleSource => self.sources.keys().cloned().collect(),
            Kind::ModuleUpdatePolicy => self.policies.keys().cloned().collect(),
            Kind::ModuleSettingsDefinition => self.definitions.keys().cloned().collect(),
            Kind::Module => self.modules.keys().cloned().collect(),
            Kind::ModuleConfig => self.configs.keys().cloned().collect(),
            Kind::ModulePullOverride => self.overrides.keys().cloned().collect(),
            Kind::ModuleRelease => self.releases.keys().cloned().collect(),
        };
        let unreadable = self.unreadable.keys().filter(|(of, _)| *of == kind);
        readable
            .into_iter()
            .chain(unreadable.map(|(_, name)| name.clone()))
            .collect()
    }

    /// What is known of a module's settings.
    pub fn definition(&self, module: &str) -> Option<&Arc<SettingsDefinition>> {
        self.definitions.get(module)
    }

    /// The release of that name. Releases are kept as bytes, and each call makes one anew, in some microseconds.
    pub fn release(&self, name: &str) -> Option<Arc<ModuleRelease>> {
        self.releases.get(name)?.unpack()
    }

    /// The phase of the release of that name, which costs no more than a lookup.
    pub fn release_phase(&self, name: &str) -> Option<ReleasePhase> {
        self.releases.get(name)?.phase()
    }

    /// The objects of a kind, by name.
    pub fn all<K: Stored>(&self) -> impl Iterator<Item = &Arc<K>> {
        K::table(self).values()
    }

    /// The object of that kind and name, whatever its type.
    pub fn object(&self, kind: Kind, name: &str) -> Option<Object> {
        match kind {
            Kind::ModuleSource => self.sources.get(name).cloned().map(Object::ModuleSource),
            Kind::ModuleUpdatePolicy => self.policies.get(name).cloned().map(Object::ModuleUpdatePolicy),
            Kind::ModuleSettingsDefinition => self
                .definitions
                .get(name)
                .cloned()
                .map(Object::ModuleSettingsDefinition),
            Kind::Module => self.modules.get(name).cloned().map(Object::Module),
            Kind::ModuleConfig => self.configs.get(name).cloned().map(Object::ModuleConfig),
            Kind::ModulePullOverride => self.overrides.get(name).cloned().map(Object::ModulePullOverride),
            Kind::ModuleRelease => self.release(name).map(Object::ModuleRelease),
        }
    }

    /// The objects of a kind, by name, whatever their type.
    pub fn objects(&self, kind: Kind) -> Vec<Object> {
        fn list<K: Stored>(table: &Table<K>) -> Vec<Object> {
            table.values().cloned().map(K::into_object).collect()
        }
        match kind {
            Kind::ModuleSource => list(&self.sources),
            Kind::ModuleUpdatePolicy => list(&self.policies),
            Kind::ModuleSettingsDefinition => self
                .definitions
                .values()
                .cloned()
                .map(Object::ModuleSettingsDefinition)
                .collect(),
            Kind::Module => list(&self.modules),
            Kind::ModuleConfig => list(&self.configs),
            Kind::ModulePullOverride => list(&self.overrides),
            Kind::ModuleRelease => {
                let all = self.releases.values().filter_map(Packed::unpack);
                all.map(Object::ModuleRelease).collect()
            }
        }
    }

    /// The first object of a kind whose name comes after that one, for those who walk through all of them and let
    /// go of the world between two.
    pub fn next(&self, kind: Kind, after: &str) -> Option<Object> {
        fn next<T: Clone>(table: &BTreeMap<String, T>, after: &str) -> Option<T> {
            let mut rest = table.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
            rest.next().map(|(_, object)| object.clone())
        }
        match kind {
            Kind::ModuleSource => next(&self.sources, after).map(Object::ModuleSource),
            Kind::ModuleUpdatePolicy => next(&self.policies, after).map(Object::ModuleUpdatePolicy),
            Kind::ModuleSettingsDefinition => {
                next(&self.definitions, after).map(Object::ModuleSettingsDefinition)
            }
            Kind::Module => next(&self.modules, after).map(Object::Module),
            Kind::ModuleConfig => next(&self.configs, after).map(Object::ModuleConfig),
            Kind::ModulePullOverride => next(&self.overrides, after).map(Object::ModulePullOverride),
            Kind::ModuleRelease => {
                let packed = next(&self.releases, after)?;
                packed.unpack().map(Object::ModuleRelease)
            }
        }
    }

    /// Takes an object in, in place of the one of its kind and name.
    pub fn insert(&mut self, object: Object) {
        let name = object.name().to_owned();
        self.remove(object.kind(), &name);
        self.index.add(&object);
        match object {
            Object::ModuleSource(object) => drop(self.sources.insert(name, object)),
            Object::ModuleUpdatePolicy(object) => drop(self.policies.insert(name, object)),
            Object::ModuleSettingsDefinition(object) => drop(self.definitions.insert(name, object)),
            Object::Module(object) => drop(self.modules.insert(name, object)),
            Object::ModuleConfig(object) => drop(self.configs.insert(name, object)),
            Object::ModulePullOverride(object) => drop(self.overrides.insert(name, object)),
            Object::ModuleRelease(object) => drop(self.releases.insert(name, Packed::new(&object))),
        }
    }

    /// Takes note of an object that exists and cannot be read, in place of what was known of it. `why` holds no value.
    pub fn insert_unreadable(&mut self, kind: Kind, name: &str, why: String) {
        self.remove(kind, name);
        self.unreadable.insert((kind, name.to_owned()), why);
    }

    /// Takes an object out and returns it where it could be read.
    pub fn remove(&mut self, kind: Kind, name: &str) -> Option<Object> {
        if !self.unreadable.is_empty() {
            self.unreadable.remove(&(kind, name.to_owned()));
        }
        let object = match kind {
            Kind::ModuleSource => self.sources.remove(name).map(Object::ModuleSource),
            Kind::ModuleUpdatePolicy => self.policies.remove(name).map(Object::ModuleUpdatePolicy),
            Kind::ModuleSettingsDefinition => self
                .definitions
                .remove(name)
                .map(Object::ModuleSettingsDefinition),
            Kind::Module => self.modules.remove(name).map(Object::Module),
            Kind::ModuleConfig => self.configs.remove(name).map(Object::ModuleConfig),
            Kind::ModulePullOverride => self.overrides.remove(name).map(Object::ModulePullOverride),
            Kind::ModuleRelease => {
                let packed = self.releases.remove(name);
                packed
                    .and_then(|packed| packed.unpack())
                    .map(Object::ModuleRelease)
            }
        }?;
        self.index.take(&object);
        Some(object)
    }

    /// The known name nearest to one that is not known (AD-3).
    pub fn nearest<K: Stored>(&self, name: &str) -> Option<&str> {
        nearest(
            name,
            K::table(self).keys().take(NAMES_COMPARED).map(String::as_str),
        )
    }

    /// Names of the configs that name the policy.
    pub fn configs_of_policy(&self, policy: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ConfigPolicy, policy)
    }

    /// Names of the configs that name the source.
    pub fn configs_of_source(&self, source: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ConfigSource, source)
    }

    /// Names of the overrides that pull from the source by name (v1alpha1).
    pub fn overrides_of_source(&self, source: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::OverrideSource, source)
    }

    /// Names of the sources with that repository, in its normal form.
    pub fn sources_of_repository(&self, normalised: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::SourceRepository, normalised)
    }

    /// Names of the releases that came from the source, by label or owner.
    pub fn releases_of_source(&self, source: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ReleaseSource, source)
    }

    /// Names of the releases of the module.
    pub fn releases_of_module(&self, module: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ReleaseModule, module)
    }

    /// Names of the modules of the exclusive group.
    pub fn modules_of_group(&self, group: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ModuleGroup, group)
    }

    /// Names of the modules that require the module.
    pub fn modules_requiring(&self, module: &str) -> impl Iterator<Item = &str> {
        self.index.get(By::ModuleRequirement, module)
    }

    /// Whether a module is on: its ModuleConfig says so, or says nothing and the module manager does (MC-9).
    pub fn is_on(&self, module: &str) -> bool {
        match self
            .get::<ModuleConfig>(module)
            .and_then(|config| config.spec.enabled)
        {
            Some(enabled) => enabled,
            None => self.is_running(module),
        }
    }

    /// Whether the module manager says that the module is on.
    pub fn is_running(&self, module: &str) -> bool {
        self.get::<Module>(module)
            .and_then(|module| module.condition(ConditionType::EnabledByModuleManager))
            == Some(ConditionStatus::True)
    }

    /// A setting of the platform itself, from ModuleConfig `deckhouse`.
    pub fn platform_setting(&self, key: &str) -> Option<&serde_json::Value> {
        self.get::<ModuleConfig>(names::PLATFORM_CONFIG)?
            .spec
            .settings
            .as_ref()?
            .get(key)
    }
}

macro_rules! stored {
    ($($kind:ident: $table:ident),*) => {
        $(
            impl Stored for $kind {
                fn table(world: &World) -> &BTreeMap<String, Arc<Self>> {
                    &world.$table
                }

                fn into_object(self: Arc<Self>) -> Object {
                    Object::$kind(self)
                }
            }
        )*
    };
}

stored! {
    ModuleSource: sources,
    ModuleUpdatePolicy: policies,
    Module: modules,
    ModuleConfig: configs,
    ModulePullOverride: overrides
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn world(objects: &[serde_json::Value]) -> World {
        let mut world = World::new();
        for object in objects {
            world.insert(Object::from_value(object.clone()).unwrap());
        }
        world
    }

    fn config(name: &str, spec: &serde_json::Value) -> serde_json::Value {
        json!({"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": name}, "spec": spec})
    }

    #[test]
    fn an_index_follows_its_object() {
        let mut world = world(&[config("echo", &json!({"updatePolicy": "slow"}))]);
        assert_eq!(world.configs_of_policy("slow").collect::<Vec<_>>(), ["echo"]);
        world.insert(Object::from_value(config("echo", &json!({"updatePolicy": "fast"}))).unwrap());
        assert_eq!(world.configs_of_policy("slow").count(), 0);
        assert_eq!(world.configs_of_policy("fast").collect::<Vec<_>>(), ["echo"]);
        world.remove(Kind::ModuleConfig, "echo");
        assert_eq!(world.configs_of_policy("fast").count(), 0);
    }

    #[test]
    fn an_object_that_cannot_be_read_exists_until_it_can_be_or_is_gone() {
        let mut world = world(&[config("echo", &json!({"updatePolicy": "slow"}))]);
        world.insert_unreadable(Kind::ModuleConfig, "echo", "status: of another shape".into());
        assert!(world.has(Kind::ModuleConfig, "echo"));
        assert_eq!(world.count(Kind::ModuleConfig), (1, 1));
        assert_eq!(world.names(Kind::ModuleConfig), ["echo"]);
        assert_eq!(
            world.unreadable().collect::<Vec<_>>(),
            [(Kind::ModuleConfig, "echo", "status: of another shape")]
        );
        assert!(world.get::<ModuleConfig>("echo").is_none());
        assert_eq!(world.configs_of_policy("slow").count(), 0);

        world.insert(Object::from_value(config("echo", &json!({"updatePolicy": "slow"}))).unwrap());
        assert_eq!(world.unreadable().count(), 0);
        world.insert_unreadable(Kind::ModuleConfig, "echo", "why".into());
        assert!(world.remove(Kind::ModuleConfig, "echo").is_none());
        assert!(!world.has(Kind::ModuleConfig, "echo"));
    }

    #[test]
    fn a_module_is_on_when_its_config_or_the_manager_says_so() {
        let module = json!({
            "apiVersion": "deckhouse.io/v1alpha1", "kind": "Module", "metadata": {"name": "echo"},
            "status": {"conditions": [{"type": "EnabledByModuleManager", "status": "True"}]},
        });
        assert!(world(std::slice::from_ref(&module)).is_on("echo"));
        assert!(!world(&[module.clone(), config("echo", &json!({"enabled": false}))]).is_on("echo"));
        assert!(world(&[config("echo", &json!({"enabled": true}))]).is_on("echo"));
        assert!(!world(&[]).is_on("echo"));
    }
}
