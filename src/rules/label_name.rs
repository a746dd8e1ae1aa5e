//! Names that become labels of releases: a source's and a policy's (MS-8), with one that is taken.

use super::finding::Findings;
use super::{Case, CauseReason};
use crate::api::words::{self, Text};
use crate::values::fits_label_value;

/// Refuses the name that `rule` reserves, in the words of `taken`, and one that is too long for a label.
pub(super) fn judge(
    case: &Case<'_>,
    (rule, reserved, taken): (&'static str, &str, Text),
    findings: &mut Findings,
) {
    const FIELD: &str = "metadata.name";
    let name = case.name();
    if name == reserved {
        findings.refuse(rule, FIELD, CauseReason::Forbidden, taken.plain());
    } else if !fits_label_value(name) {
        findings.refuse(
            "MS-8",
            FIELD,
            CauseReason::Invalid,
            words::LABEL_LENGTH.about(name),
        );
    }
}
