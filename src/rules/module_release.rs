//! Rules of ModuleRelease.

use super::engine::{CREATE, DELETE, Reads, Rule, UPDATE, WRITES};
use super::finding::Findings;
use super::{Case, CauseReason};
use crate::api::names::{annotation, label};
use crate::api::{ModuleConfig, ModuleSource, Resource, words};
use crate::values::{Version, parse_bool};

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["version"]), Reads::Body(&["moduleName"])],
        judge: name_and_version,
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

/// The name is made of module and version, and the version is a semantic one.
fn name_and_version(case: &Case<'_>, findings: &mut Findings) {
    let (Some(module), Some(version)) = (case.text(&["moduleName"]), case.raw_text(&["version"])) else {
        return;
    };
    if version.starts_with('v') || Version::parse(version).is_err() {
        findings.refuse(
            "AD-4",
            "spec.version",
            CauseReason::Invalid,
            words::SEMVER.about(version),
        );
    } else if case.name() != format!("{module}-v{version}") {
        findings.refuse(
            "AD-4",
            "metadata.name",
            CauseReason::Invalid,
            words::RELEASE_NAME.about(case.name()),
        );
    }
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
    let is_disabled = case
        .world
        .get::<ModuleConfig>(module)
        .and_then(|config| config.spec.enabled)
        == Some(false);
    let source_leaves = sources_of(case).any(|source| {
        case.world
            .get::<ModuleSource>(source)
            .is_some_and(|source| source.is_being_deleted())
    });
    if !is_disabled && !source_leaves {
        findings.forbid(
            "MR-4",
            "metadata.name",
            format!(
                "manual deleting deployed module releases is forbidden: disable module '{module}' or let another release take the place of this one"
            ),
        );
    }
}

/// Whether the garbage collector takes away what lost its owner, or what is annotated to be let go (AD-8).
pub(super) fn is_collected(case: &Case<'_>) -> bool {
    let Some(old) = &case.subject.old else {
        return false;
    };
    let is_let_go = old
        .annotations
        .get(annotation::FORCE_DELETE)
        .and_then(|value| parse_bool(value).ok())
        == Some(true);
    let lost_its_owner = || !sources_of(case).any(|source| case.world.get::<ModuleSource>(source).is_some());
    case.user.is_garbage_collector() && (is_let_go || lost_its_owner())
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
