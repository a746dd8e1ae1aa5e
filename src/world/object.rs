//! An object of any of our kinds.

use super::SettingsDefinition;
use crate::api::{
    Kind, Module, ModuleConfig, ModulePullOverride, ModuleRelease, ModuleSettingsDefinition, ModuleSource,
    ModuleUpdatePolicy, Resource,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;
use std::sync::Arc;

/// An object of any of our kinds, in its storage version.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// A registry.
    ModuleSource(Arc<ModuleSource>),
    /// An update policy.
    ModuleUpdatePolicy(Arc<ModuleUpdatePolicy>),
    /// What a module says of its settings.
    ModuleSettingsDefinition(Arc<SettingsDefinition>),
    /// A module.
    Module(Arc<Module>),
    /// A module's configuration.
    ModuleConfig(Arc<ModuleConfig>),
    /// A developer's tag.
    ModulePullOverride(Arc<ModulePullOverride>),
    /// A release.
    ModuleRelease(Arc<ModuleRelease>),
}

/// A document that could not be read as an object of one of our kinds.
#[derive(Debug, thiserror::Error)]
pub enum ReadObjectError {
    /// Its kind is none of ours.
    #[error("kind '{0}' is none of ours")]
    UnknownKind(String),
    /// It does not have the shape of its kind.
    #[error("not a {kind}")]
    Shape {
        /// The kind that it says it is.
        kind: Kind,
        /// What does not fit.
        source: serde_json::Error,
    },
}

macro_rules! each {
    ($self:expr, $object:ident => $result:expr) => {
        match $self {
            Object::ModuleSource($object) => $result,
            Object::ModuleUpdatePolicy($object) => $result,
            Object::ModuleSettingsDefinition($object) => $result,
            Object::Module($object) => $result,
            Object::ModuleConfig($object) => $result,
            Object::ModulePullOverride($object) => $result,
            Object::ModuleRelease($object) => $result,
        }
    };
}

impl Object {
    /// Reads an object in its storage version; unknown fields are dropped, as an API server prunes them.
    ///
    /// # Errors
    /// [`ReadObjectError`] where the kind is none of ours or the shape does not fit.
    pub fn from_value(value: Value) -> Result<Self, ReadObjectError> {
        fn shape<K: Resource>(value: Value) -> Result<K, ReadObjectError> {
            serde_json::from_value(value).map_err(|source| ReadObjectError::Shape {
                kind: K::KIND,
                source,
            })
        }
        fn read<K: Resource>(value: Value) -> Result<Arc<K>, ReadObjectError> {
            shape(value).map(Arc::new)
        }
        let kind = value.get("kind").and_then(Value::as_str).unwrap_or_default();
        let kind = Kind::from_name(kind).ok_or_else(|| ReadObjectError::UnknownKind(kind.to_owned()))?;
        Ok(match kind {
            Kind::ModuleSource => Self::ModuleSource(read(value)?),
            Kind::ModuleUpdatePolicy => Self::ModuleUpdatePolicy(read(value)?),
            Kind::ModuleSettingsDefinition => {
                let object: ModuleSettingsDefinition = shape(value)?;
                Self::ModuleSettingsDefinition(Arc::new(SettingsDefinition::new(object)))
            }
            Kind::Module => Self::Module(read(value)?),
            Kind::ModuleConfig => Self::ModuleConfig(read(value)?),
            Kind::ModulePullOverride => Self::ModulePullOverride(read(value)?),
            Kind::ModuleRelease => Self::ModuleRelease(read(value)?),
        })
    }

    /// The object as JSON.
    pub fn to_value(&self) -> Value {
        // Serialising these types cannot fail: their maps have string keys.
        each!(self, object => serde_json::to_value(object.as_ref()).unwrap_or_default())
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::ModuleSource(_) => Kind::ModuleSource,
            Self::ModuleUpdatePolicy(_) => Kind::ModuleUpdatePolicy,
            Self::ModuleSettingsDefinition(_) => Kind::ModuleSettingsDefinition,
            Self::Module(_) => Kind::Module,
            Self::ModuleConfig(_) => Kind::ModuleConfig,
            Self::ModulePullOverride(_) => Kind::ModulePullOverride,
            Self::ModuleRelease(_) => Kind::ModuleRelease,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        each!(self, object => object.name())
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        each!(self, object => &object.metadata)
    }
}
