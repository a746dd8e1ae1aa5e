//! Rules of ModuleUpdatePolicy, in both versions.

use super::finding::Findings;
use super::rule::{CREATE, DELETE, Reads, Rule, UPDATE, WRITES};
use super::windows;
use super::{Case, label_name};
use crate::api::{names, words};

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: name,
    },
    Rule {
        on: UPDATE,
        reads: &[Reads::Name],
        judge: reserved_name,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["update", "windows"])],
        judge: window_syntax,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["update"])],
        judge: idle_windows,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["moduleReleaseSelector"])],
        judge: selector,
    },
    Rule {
        on: DELETE,
        reads: &[Reads::Name],
        judge: in_use,
    },
];

/// POL-1 and MS-8.
fn name(case: &Case<'_>, findings: &mut Findings) {
    let reserved = ("POL-1", names::EMBEDDED_POLICY, words::EMBEDDED_POLICY_TAKEN);
    label_name::judge(case, reserved, findings);
}

/// POL-1: a policy that took the name before it was reserved may be changed; it has no effect.
fn reserved_name(case: &Case<'_>, findings: &mut Findings) {
    if case.name() == names::EMBEDDED_POLICY {
        findings.warn("POL-1", "metadata.name", words::EMBEDDED_POLICY_TAKEN.plain());
    }
}

/// MUP-1, and MUP-3's overlaps.
fn window_syntax(case: &Case<'_>, findings: &mut Findings) {
    if let Some(list) = case
        .value(&["update", "windows"])
        .and_then(serde_json::Value::as_array)
    {
        windows::judge("spec.update.windows", list, findings);
    }
}

/// MUP-3: windows that no release waits for.
fn idle_windows(case: &Case<'_>, findings: &mut Findings) {
    let has_windows = case
        .value(&["update", "windows"])
        .and_then(serde_json::Value::as_array)
        .is_some_and(|list| !list.is_empty());
    let Some(mode @ ("Manual" | "Ignore")) = case.text(&["update", "mode"]) else {
        return;
    };
    if has_windows {
        findings.warn(
            "MUP-3",
            "spec.update.windows",
            format!("spec.update.windows have no effect with mode {mode}: use mode Auto or AutoPatch, or remove them"),
        );
    }
}

/// MUP-3: what v1alpha1 selected by labels is named in ModuleConfig today.
fn selector(case: &Case<'_>, findings: &mut Findings) {
    if case.value(&["moduleReleaseSelector"]).is_some() {
        findings.warn(
            "MUP-3",
            "spec.moduleReleaseSelector",
            "spec.moduleReleaseSelector has no effect: name the policy in spec.updatePolicy of the ModuleConfig",
        );
    }
}

/// MUP-4: a policy that configs name stays.
fn in_use(case: &Case<'_>, findings: &mut Findings) {
    let policy = case.name();
    if policy == names::EMBEDDED_POLICY {
        return;
    }
    for module in case.world.configs_of_policy(policy) {
        findings.forbid(
            "MUP-4",
            "metadata.name",
            format!(
                "the '{policy}' update policy is used by the '{module}' module config: name another policy there first"
            ),
        );
    }
}
