//! The seven kinds and the versions in which they are served.

use std::fmt;

/// The API group of every kind here.
pub const GROUP: &str = "deckhouse.io";

/// A kind of object that Hatchway judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A registry of modules. First, since other kinds name it.
    ModuleSource,
    /// Channel, mode and windows of updates.
    ModuleUpdatePolicy,
    /// What a module's image says of its settings.
    ModuleSettingsDefinition,
    /// A module that a source offers.
    Module,
    /// Whether and how a module runs.
    ModuleConfig,
    /// A developer's tag instead of releases.
    ModulePullOverride,
    /// A version on its way in.
    ModuleRelease,
}

/// A served version of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The version's name, such as `v1alpha1`.
    pub version: &'static str,
    /// Whether clients are warned off it.
    pub deprecated: bool,
}

const V1ALPHA1: &[Served] = &[Served {
    version: "v1alpha1",
    deprecated: false,
}];
const BOTH: &[Served] = &[
    Served {
        version: "v1alpha1",
        deprecated: true,
    },
    Served {
        version: "v1alpha2",
        deprecated: false,
    },
];

impl Kind {
    /// All kinds, those first that others refer to: the order in which a set of objects is applied.
    pub const ALL: [Self; 7] = [
        Self::ModuleSource,
        Self::ModuleUpdatePolicy,
        Self::ModuleSettingsDefinition,
        Self::Module,
        Self::ModuleConfig,
        Self::ModulePullOverride,
        Self::ModuleRelease,
    ];

    /// The kind of that name, if it is ours.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind of that plural resource name, if it is ours.
    pub fn from_plural(plural: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == plural)
    }

    /// The kind's name, such as `ModuleConfig`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ModuleSource => "ModuleSource",
            Self::ModuleUpdatePolicy => "ModuleUpdatePolicy",
            Self::ModuleSettingsDefinition => "ModuleSettingsDefinition",
            Self::Module => "Module",
            Self::ModuleConfig => "ModuleConfig",
            Self::ModulePullOverride => "ModulePullOverride",
            Self::ModuleRelease => "ModuleRelease",
        }
    }

    /// The resource's name in URLs, such as `moduleconfigs`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::ModuleSource => "modulesources",
            Self::ModuleUpdatePolicy => "moduleupdatepolicies",
            Self::ModuleSettingsDefinition => "modulesettingsdefinitions",
            Self::Module => "modules",
            Self::ModuleConfig => "moduleconfigs",
            Self::ModulePullOverride => "modulepulloverrides",
            Self::ModuleRelease => "modulereleases",
        }
    }

    /// Whether it is served in several versions, so that its objects have to be converted.
    pub const fn is_converted(self) -> bool {
        self.served().len() > 1
    }

    /// What its CustomResourceDefinition is called, and what RBAC and messages call the resource.
    pub fn definition_name(self) -> String {
        format!("{}.{GROUP}", self.plural())
    }

    /// The versions that are served, oldest first; the last one is stored.
    pub const fn served(self) -> &'static [Served] {
        match self {
            Self::ModulePullOverride | Self::ModuleUpdatePolicy => BOTH,
            _ => V1ALPHA1,
        }
    }

    /// The version in which objects are stored.
    pub const fn storage_version(self) -> &'static str {
        match self {
            Self::ModulePullOverride | Self::ModuleUpdatePolicy => "v1alpha2",
            _ => "v1alpha1",
        }
    }

    /// The served version of that name.
    pub fn version(self, name: &str) -> Option<&'static str> {
        self.served()
            .iter()
            .map(|served| served.version)
            .find(|version| *version == name)
    }

    /// The top-level field that people write: `spec`, but `properties` for a Module.
    pub const fn body(self) -> &'static str {
        match self {
            Self::Module => "properties",
            _ => "spec",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
