//! A careful roll-out (SV-6): refusals that only warn, all of them or those of some rules.

use crate::rules::{Decision, Finding, Verdict};
use std::collections::BTreeSet;

/// The rule of the schema, which an API server enforces by itself.
const SCHEMA: &str = "AD-4";

/// Whose refusals are enforced, and whose become warnings. By default all are enforced.
#[derive(Clone, Debug, Default)]
pub struct Enforcement {
    nothing: bool,
    warn_only: BTreeSet<&'static str>,
    always_schema: bool,
}

impl Enforcement {
    /// Nothing is refused.
    pub fn warn() -> Self {
        Self {
            nothing: true,
            ..Self::default()
        }
    }

    /// All rules refuse but these.
    pub fn warn_only(rules: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            warn_only: rules.into_iter().collect(),
            ..Self::default()
        }
    }

    /// The same where nobody else judges the schema (AD-4): it is always enforced, as an API server does.
    #[must_use]
    pub fn and_the_schema(self) -> Self {
        Self {
            always_schema: true,
            ..self
        }
    }

    /// Whether the rule's refusals become warnings.
    pub fn only_warns(&self, rule: &str) -> bool {
        let is_kept = self.always_schema && rule == SCHEMA;
        !is_kept && (self.nothing || self.warn_only.contains(rule))
    }

    /// Takes the refusals that are not enforced out of a verdict that is final, and returns them in the words of a
    /// warning. Without any left the operation is allowed.
    pub fn take(&self, verdict: &mut Verdict) -> Vec<Finding> {
        let (warnings, refusals): (Vec<_>, Vec<_>) = std::mem::take(&mut verdict.refusals)
            .into_iter()
            .partition(|refusal| self.only_warns(refusal.rule));
        verdict.refusals = refusals;
        if verdict.decision == Decision::Refused && verdict.refusals.is_empty() {
            verdict.decision = Decision::Allowed;
        }
        warnings.into_iter().map(in_other_words).collect()
    }

    /// The same, with the warnings before those that the verdict has.
    #[must_use]
    pub fn soften(&self, mut verdict: Verdict) -> Verdict {
        let warnings = self.take(&mut verdict);
        verdict.warnings.splice(0..0, warnings);
        verdict
    }
}

/// A refusal that is none.
fn in_other_words(refusal: Finding) -> Finding {
    let message = would_be_refused(&format!("{}: {}", refusal.field, refusal.message));
    Finding { message, ..refusal }
}

/// The words before whatever would be a refusal's.
pub(super) fn would_be_refused(message: &str) -> String {
    format!("would be refused: {message}")
}

/// The rules of findings, each once, in their order.
pub(super) fn rules_of(findings: &[Finding]) -> Vec<&'static str> {
    let mut rules = Vec::new();
    for finding in findings {
        if !rules.contains(&finding.rule) {
            rules.push(finding.rule);
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::CauseReason;

    fn refused_by(rules: &[&'static str]) -> Verdict {
        let refusal = |rule: &&'static str| Finding {
            rule,
            field: "spec".to_owned(),
            message: "is wrong".to_owned(),
            reason: CauseReason::Invalid,
            forbidden: false,
        };
        Verdict {
            decision: Decision::Refused,
            refusals: rules.iter().map(refusal).collect(),
            ..Verdict::default()
        }
    }

    #[test]
    fn turns_those_that_are_named_and_refuses_for_the_rest() {
        for (enforcement, refusing, warning, decision) in [
            (
                Enforcement::default(),
                &["MC-2", "AD-4"][..],
                &[][..],
                Decision::Refused,
            ),
            (Enforcement::warn(), &[], &["MC-2", "AD-4"], Decision::Allowed),
            (
                Enforcement::warn_only(["MC-2"]),
                &["AD-4"],
                &["MC-2"],
                Decision::Refused,
            ),
            (
                Enforcement::warn_only(["AD-4", "MC-2"]),
                &[],
                &["MC-2", "AD-4"],
                Decision::Allowed,
            ),
            (
                Enforcement::warn().and_the_schema(),
                &["AD-4"],
                &["MC-2"],
                Decision::Refused,
            ),
        ] {
            let verdict = enforcement.soften(refused_by(&["MC-2", "AD-4"]));
            assert_eq!(rules_of(&verdict.refusals), refusing);
            assert_eq!(rules_of(&verdict.warnings), warning);
            assert_eq!(verdict.decision, decision);
            assert!(
                verdict
                    .warnings
                    .iter()
                    .all(|finding| finding.message == "would be refused: spec: is wrong")
            );
        }
    }

    #[test]
    fn what_was_not_judged_stays_so() {
        let skipped = Verdict {
            decision: Decision::Skipped,
            ..Verdict::default()
        };
        assert_eq!(Enforcement::warn().soften(skipped.clone()), skipped);
    }
}
