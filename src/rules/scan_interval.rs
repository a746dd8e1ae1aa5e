//! How often a registry is asked: judged alike for sources and overrides (MPO-3), within bounds of their own.

use super::finding::Findings;
use super::{Case, CauseReason};
use crate::api::words::Text;
use crate::values::Interval;
use std::time::Duration;

/// Below this a registry would be asked more than once a second.
const SHORTEST: Duration = Duration::from_secs(1);

/// What an interval of some kind may be.
pub(super) struct ScanInterval {
    /// The longest that is of use.
    pub(super) longest: Duration,
    /// Below this people are warned, and how.
    pub(super) short: (Duration, &'static str),
    /// The rules that refuse and warn.
    pub(super) rules: (&'static str, &'static str),
    /// What a refusal says.
    pub(super) text: Text,
}

impl ScanInterval {
    /// Judges `spec.scanInterval`.
    pub(super) fn judge(&self, case: &Case<'_>, findings: &mut Findings) {
        const FIELD: &str = "spec.scanInterval";
        let Some(text) = case.raw_text(&["scanInterval"]) else {
            return;
        };
        let ((refuses, warns), (short, kinder)) = (self.rules, self.short);
        match Interval::parse(text).map(Interval::as_duration) {
            Ok(interval) if (SHORTEST..=self.longest).contains(&interval) => {
                if interval < short {
                    findings.warn(
                        warns,
                        FIELD,
                        format!("spec.scanInterval {text} asks the registry {kinder}"),
                    );
                }
            }
            _ => findings.refuse(refuses, FIELD, CauseReason::Invalid, self.text.about(text)),
        }
    }
}
