//! Rules of Module.

use super::finding::Findings;
use super::rule::{ALWAYS, Reads, Rule};
use super::{Case, module_release};

pub(super) const RULES: &[Rule] = &[Rule {
    on: ALWAYS,
    reads: &[Reads::Metadata, Reads::Body(&[])],
    judge: manual_change,
}];

/// MOD-1: Modules are written by Hatchway alone.
fn manual_change(case: &Case<'_>, findings: &mut Findings) {
    if case.user.trusted || (case.is_delete() && module_release::is_collected(case)) {
        return;
    }
    findings.forbid(
        "MOD-1",
        "metadata.name",
        "manual Module change is forbidden: Modules follow the sources, enable or configure one with a ModuleConfig of its name",
    );
}
