//! Every label, annotation, finalizer and reserved name, once.

/// The one ModuleConfig name that is no module: settings shared by all modules.
pub const GLOBAL_CONFIG: &str = "global";
/// The ModuleConfig of the platform itself: the embedded update policy (POL-1) and experimental modules (MC-9).
pub const PLATFORM_CONFIG: &str = "deckhouse";
/// The embedded update policy's name in labels and columns, which no ModuleUpdatePolicy may take (POL-1).
pub const EMBEDDED_POLICY: &str = "deckhouse";
/// `properties.source` of a module that comes with the platform; no ModuleSource may take it (MC-1, MS-5).
pub const EMBEDDED_SOURCE: &str = "Embedded";
/// The stage of a module that must be allowed before it is enabled (MC-9).
pub const EXPERIMENTAL_STAGE: &str = "Experimental";

/// Annotations.
pub mod annotation {
    /// Confirms that a module may be disabled (MC-11).
    pub const ALLOW_DISABLING: &str = "modules.deckhouse.io/allow-disabling";
    /// Approves a release (RL-12).
    pub const APPROVED: &str = "modules.deckhouse.io/approved";
    /// The other key under which a release is approved (RL-12).
    pub const APPROVED_RELEASE: &str = "release.deckhouse.io/approved";
    /// Deploys a release past window, approval and `applyAfter` (RL-12).
    pub const APPLY_NOW: &str = "modules.deckhouse.io/apply-now";
    /// Deploys a release past every later gate (RL-9).
    pub const FORCE: &str = "modules.deckhouse.io/force";
    /// Deploys the deployed release again (RL-17).
    pub const REINSTALL: &str = "modules.deckhouse.io/reinstall";
    /// Makes an outdated release the deployed one (RL-17).
    pub const ROLLBACK: &str = "modules.deckhouse.io/rollback";
    /// Lets a source go although releases of it are deployed (SRC-9).
    pub const FORCE_DELETE: &str = "modules.deckhouse.io/force-delete";
    /// Why a release was created (RL-5).
    pub const CHANGE_CAUSE: &str = "modules.deckhouse.io/change-cause";
    /// What only v1alpha1 can say, as one flat JSON object (CV-1).
    pub const V1ALPHA1_FIELDS: &str = "modules.deckhouse.io/v1alpha1-fields";
    /// Asks an override to look and deploy again, with any value (OV-3).
    pub const RENEW: &str = "renew";

    /// Those that are booleans, on every kind (MR-3).
    pub const BOOLEANS: &[&str] = &[
        ALLOW_DISABLING,
        APPROVED,
        APPROVED_RELEASE,
        APPLY_NOW,
        FORCE,
        REINSTALL,
        ROLLBACK,
        FORCE_DELETE,
    ];

    /// All that people set by hand, to tell a misspelt one.
    pub const KNOWN: &[&str] = &[
        ALLOW_DISABLING,
        APPROVED,
        APPROVED_RELEASE,
        APPLY_NOW,
        FORCE,
        REINSTALL,
        ROLLBACK,
        FORCE_DELETE,
        CHANGE_CAUSE,
        V1ALPHA1_FIELDS,
        RENEW,
    ];

    /// The prefixes of annotations that are ours.
    pub const PREFIXES: &[&str] = &["modules.deckhouse.io/", "release.deckhouse.io/"];
}

/// Labels.
pub mod label {
    /// The module of a release.
    pub const MODULE: &str = "module";
    /// The source of a release.
    pub const SOURCE: &str = "source";
    /// The first 32 hex digits of the release image's digest.
    pub const RELEASE_CHECKSUM: &str = "release-checksum";
    /// The policy that a release waits for (MR-2).
    pub const UPDATE_POLICY: &str = "modules.deckhouse.io/update-policy";
    /// A release's phase in lower case.
    pub const STATUS: &str = "status";
}

/// Finalizers.
pub mod finalizer {
    /// On a source that has releases (SRC-9).
    pub const RELEASE_EXISTS: &str = "modules.deckhouse.io/release-exists";
    /// On a source that a Module lists (SRC-9).
    pub const MODULE_EXISTS: &str = "modules.deckhouse.io/module-exists";
    /// On an override (OV-5).
    pub const PULL_OVERRIDE: &str = "modules.deckhouse.io/mpo-finalizer";
    /// On a ModuleConfig (CF-3).
    pub const MODULE_REGISTERED: &str = "modules.deckhouse.io/module-registered";

    /// All of them: what `uninstall` takes off.
    pub const ALL: &[&str] = &[RELEASE_EXISTS, MODULE_EXISTS, PULL_OVERRIDE, MODULE_REGISTERED];
}
