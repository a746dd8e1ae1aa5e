//! Rules of ModuleRelease.

use super::finding::Findings;
use super::rule::{CREATE, DELETE, Reads, Rule, UPDATE, WRITES};
use super::{Case, CauseReason};
use crate::api::names::{annotation, label};
use crate::api::{ConditionStatus, ConditionType, Kind, Module, ModuleConfig, ModuleSource, Resource, words};
use crate::values::{Version, parse_bool};

const VERSION: &[&str] = &["version"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: WRITES,
        reads: &[Reads::Body(VERSION)],
        judge: version,
    },
    // As every rule on names: an object that is there keeps its name.
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: name,
    },
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: made_by_hand,
    },
    Rule {
        on: UPDATE,
        reads: &[Reads::Body(&[])],
        judge: spec_change,
    },
    Rule {
        on: UPDATE,
        reads: &[Reads::Metadata],
        judge: policy_label,
    },
    Rule {
        on: DELETE,
        reads: &[Reads::Name],
        judge: deployed_delete,
    },
];

/// The version is a semantic one.
fn version(case: &Case<'_>, findings: &mut Findings) {
    if let Some(version) = case.raw_text(VERSION)
        && !is_semantic(version)
    {
        findings.refuse(
            "AD-4",
            "spec.version",
            CauseReason::Invalid,
            words::SEMVER.about(version),
        );
    }
}

/// The name is made of module and version; where there is no version, that is told alone.
fn name(case: &Case<'_>, findings: &mut Findings) {
    let (Some(module), Some(version)) = (case.text(&["moduleName"]), case.raw_text(VERSION)) else {
        return;
    };
    if is_semantic(version) && case.name() != format!("{module}-v{version}") {
        findings.refuse(
            "AD-4",
            "metadata.name",
            CauseReason::Invalid,
            words::RELEASE_NAME.about(case.name()),
        );
    }
}

/// The `v` belongs to the name alone.
fn is_semantic(version: &str) -> bool {
    !version.starts_with('v') && Version::parse(version).is_ok()
}

fn made_by_hand(case: &Case<'_>, findings: &mut Findings) {
    if !case.user.trusted {
        findings.warn(
            "MR-1",
            "metadata.name",
            "releases are made by Hatchway from the registry: one made by hand may be changed or removed by it",
        );
    }
}

/// MR-1: what a release says comes from its image.
fn spec_change(case: &Case<'_>, findings: &mut Findings) {
    if case.user.trusted || !case.subject.body_changed {
        return;
    }
    findings.forbid(
        "MR-1",
        "spec",
        "manual change of a module release is forbidden: its spec follows the image, steer it by annotations or by the update policy",
    );
}

/// MR-2: the label follows the policy in force.
fn policy_label(case: &Case<'_>, findings: &mut Findings) {
    let (Some(new), Some(old)) = (&case.subject.new, &case.subject.old) else {
        return;
    };
    let (new, old) = (
        new.labels.get(label::UPDATE_POLICY),
        old.labels.get(label::UPDATE_POLICY),
    );
    if let (Some(new), Some(old)) = (new, old)
        && new != old
        && !case.user.trusted
    {
        findings.forbid(
            "MR-2",
            format!("metadata.labels[{}]", label::UPDATE_POLICY),
            "Manual update-policy change is forbidden. Please, remove the update-policy label to automatically find a new suitable policy",
        );
    }
}

/// MR-4: what runs is not pulled away under the module.
fn deployed_delete(case: &Case<'_>, findings: &mut Findings) {
    let Some(old) = &case.subject.old else { return };
    if old.phase.as_deref() != Some("Deployed") || case.user.trusted || is_collected(case) {
        return;
    }
    let module = old
        .body
        .value
        .get("moduleName")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default();
    let source_leaves = sources_of(case).any(|source| {
        case.world
            .get::<ModuleSource>(source)
            .is_some_and(|source| source.is_being_deleted())
    });
    if !is_disabled(case, module) && !source_leaves {
        findings.forbid(
            "MR-4",
            "metadata.name",
            format!(
                "manual deleting deployed module releases is forbidden: disable module '{module}' or let another release take the place of this one"
            ),
        );
    }
}

/// Whether the module is known to be off. What is not known is not taken for off: its release may be running.
fn is_disabled(case: &Case<'_>, module: &str) -> bool {
    let config = case.world.get::<ModuleConfig>(module);
    if let Some(enabled) = config.and_then(|config| config.spec.enabled) {
        return !enabled;
    }
    let module = case.world.get::<Module>(module);
    let by_manager = module.and_then(|module| module.condition(ConditionType::EnabledByModuleManager));
    by_manager == Some(ConditionStatus::False)
}

/// Whether the garbage collector takes away what lost its owner, or what is annotated to be let go (AD-8).
pub(super) fn is_collected(case: &Case<'_>) -> bool {
    let Some(old) = &case.subject.old else {
        return false;
    };
    // One owner that stays is enough to keep it.
    let lost_its_owner = || {
        !sources_of(case).any(|source| {
            match case.world.get::<ModuleSource>(source) {
                Some(source) => !goes_by_force(source),
                // One that exists and cannot be read is an owner, too.
                None => case.world.has(Kind::ModuleSource, source),
            }
        })
    };
    case.user.is_garbage_collector() && (old.says(annotation::FORCE_DELETE) || lost_its_owner())
}

fn goes_by_force(source: &ModuleSource) -> bool {
    let value = source.annotation(annotation::FORCE_DELETE);
    value.is_some_and(|value| parse_bool(value) == Ok(true))
}

/// The sources that own the object, by owner reference or by label.
fn sources_of<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a str> {
    let old = case.subject.old.as_ref();
    let owners = old
        .into_iter()
        .flat_map(|old| &old.owners)
        .filter(|(kind, _)| kind == "ModuleSource");
    let label = old
        .and_then(|old| old.labels.get(label::SOURCE))
        .map(String::as_str);
    owners.map(|(_, name)| name.as_str()).chain(label)
}
