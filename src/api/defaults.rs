//! The defaults, once: the mutating webhook (MUT-1), the CRDs and the reading side all take them from this table.

use super::Kind;
use serde_json::{Value, json};

/// A field that gets a value where people wrote none.
#[derive(Clone, Debug)]
pub struct Default {
    /// The kind.
    pub kind: Kind,
    /// The version it holds for; `None` means every served one.
    pub version: Option<&'static str>,
    /// Keys from the object's root to the field.
    pub path: &'static [&'static str],
    /// What is filled in.
    pub value: Value,
    /// Whether the objects on the way to the field are made where they are missing. `spec` itself never is: an
    /// object without one is malformed, and that must be told.
    pub make_parents: bool,
}

/// How often an override is looked at when it does not say.
pub const OVERRIDE_SCAN_INTERVAL: &str = "15s";
/// How often a source is looked at when it does not say.
pub const SOURCE_SCAN_INTERVAL: &str = "3m";
/// A module's weight when its image does not say (REG-3).
pub const MODULE_WEIGHT: u32 = 900;

/// The table.
pub fn table() -> Vec<Default> {
    let default = |kind, version, path, value, make_parents| Default {
        kind,
        version,
        path,
        value,
        make_parents,
    };
    vec![
        default(
            Kind::ModulePullOverride,
            None,
            &["spec", "scanInterval"],
            json!(OVERRIDE_SCAN_INTERVAL),
            false,
        ),
        default(
            Kind::ModulePullOverride,
            None,
            &["spec", "rollback"],
            json!(false),
            false,
        ),
        default(
            Kind::ModuleUpdatePolicy,
            None,
            &["spec", "releaseChannel"],
            json!("Stable"),
            false,
        ),
        default(
            Kind::ModuleUpdatePolicy,
            Some("v1alpha1"),
            &["spec", "update", "mode"],
            json!("AutoPatch"),
            true,
        ),
        default(
            Kind::ModuleUpdatePolicy,
            Some("v1alpha2"),
            &["spec", "update", "mode"],
            json!("Auto"),
            true,
        ),
        default(
            Kind::ModuleSource,
            None,
            &["spec", "registry", "scheme"],
            json!("HTTPS"),
            false,
        ),
        default(
            Kind::ModuleSource,
            None,
            &["spec", "scanInterval"],
            json!(SOURCE_SCAN_INTERVAL),
            false,
        ),
    ]
}

/// The defaults of one kind in one version.
pub fn of(kind: Kind, version: &str) -> impl Iterator<Item = Default> {
    table()
        .into_iter()
        .filter(move |default| default.kind == kind && default.version.is_none_or(|only| only == version))
}
