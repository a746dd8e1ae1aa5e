//! How rules are run: which, in which order, and what an unchanged field means (AD-8).

use super::case::lookup;
use super::finding::Findings;
use super::rule::{Reads, Rule};
use super::verdict::{Decision, Verdict};
use super::{Case, Operation, Subject, User};
use super::{
    annotations, module, module_config, module_pull_override, module_release, module_source,
    module_update_policy, schema,
};
use crate::api::Kind;
use crate::world::World;
use jiff::Timestamp;

/// Judges an operation.
pub fn validate(subject: &Subject, user: User<'_>, world: &World, now: Timestamp) -> Verdict {
    if is_let_through(subject, user) {
        return Verdict {
            decision: Decision::Skipped,
            ..Verdict::default()
        };
    }
    let case = Case {
        subject,
        user,
        world,
        now,
    };
    judge(&case, |rule| concerns(subject, rule))
}

/// Judges an object that stands there as if it were being made, but for rules about a change.
pub(super) fn standing(subject: &Subject, user: User<'_>, world: &World, now: Timestamp) -> Verdict {
    let case = Case {
        subject,
        user,
        world,
        now,
    };
    judge(&case, |rule| {
        !rule.reads.iter().any(|reads| matches!(reads, Reads::Change))
    })
}

/// Runs those of the operation's rules that `concerns` picks, and the schema.
fn judge(case: &Case<'_>, concerns: impl Fn(&Rule) -> bool) -> Verdict {
    let subject = case.subject;
    let mut findings = Findings::default();
    if subject.metadata_changed || !matches!(subject.operation, Operation::Update) {
        annotations::judge(case, &mut findings);
    }
    findings.remember_wrong();
    let rules = rules_of(subject.kind)
        .iter()
        .filter(|rule| rule.on.contains(&subject.operation));
    for rule in rules.filter(|rule| concerns(rule)) {
        let mut said = Findings::default();
        (rule.judge)(case, &mut said);
        said.remember_wrong();
        // Comparing large settings costs more than judging them: only where there is something to be turned.
        let would_refuse = !said.refusals.is_empty() || !said.missing.is_empty();
        if would_refuse && is_unchanged(case, rule) {
            said.refusals
                .drain(..)
                .for_each(|refusal| findings.tolerate(refusal));
            said.missing.clear();
        }
        findings.refusals.append(&mut said.refusals);
        findings.warnings.append(&mut said.warnings);
        findings.missing.append(&mut said.missing);
        findings.question = findings.question.or(said.question);
        findings.wrong.append(&mut said.wrong);
    }
    if subject.body_changed && subject.new.is_some() {
        schema::judge(case, &mut findings);
    }
    let Findings {
        refusals,
        mut warnings,
        was_wrong,
        missing,
        question,
        wrong: _,
    } = findings;
    warnings.splice(0..0, was_wrong);
    let decision = if refusals.is_empty() {
        Decision::Allowed
    } else {
        Decision::Refused
    };
    Verdict {
        decision,
        refusals,
        warnings,
        missing,
        question,
    }
}

/// AD-8: what is never judged, so that no webhook stands between the cluster and its own repair.
fn is_let_through(subject: &Subject, user: User<'_>) -> bool {
    let on_its_way_out = subject.old.as_ref().is_some_and(|old| old.being_deleted);
    let untouched = subject.operation == Operation::Update && !subject.body_changed;
    on_its_way_out || (untouched && (user.trusted || !subject.metadata_changed))
}

/// An unchanged body is not judged at all; rules about the metadata look for themselves.
fn concerns(subject: &Subject, rule: &Rule) -> bool {
    subject.body_changed || rule.reads.iter().any(|reads| matches!(reads, Reads::Metadata))
}

fn is_unchanged(case: &Case<'_>, rule: &Rule) -> bool {
    let (Some(new), Some(old)) = (&case.subject.new, &case.subject.old) else {
        return false;
    };
    rule.reads.iter().all(|reads| match reads {
        Reads::Body(path) => lookup(&new.body.value, path) == lookup(&old.body.value, path),
        Reads::Metadata => false,
        Reads::Name | Reads::Change => true,
    })
}

fn rules_of(kind: Kind) -> &'static [Rule] {
    match kind {
        Kind::ModuleConfig => module_config::RULES,
        Kind::ModulePullOverride => module_pull_override::RULES,
        Kind::ModuleUpdatePolicy => module_update_policy::RULES,
        Kind::ModuleSource => module_source::RULES,
        Kind::ModuleRelease => module_release::RULES,
        Kind::Module => module::RULES,
        Kind::ModuleSettingsDefinition => &[],
    }
}
