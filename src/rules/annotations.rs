//! Our annotations, on every kind (MR-3).

use super::finding::Findings;
use super::{Case, CauseReason};
use crate::api::names::annotation;
use crate::values::{nearest, parse_bool};

/// MR-3: boolean annotations are booleans; a misspelt one of ours is told.
pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    let Some(new) = &case.subject.new else { return };
    let old = case.subject.old.as_ref();
    for (key, value) in &new.annotations {
        if old.is_some_and(|old| old.annotations.get(key) == Some(value)) {
            continue;
        }
        let field = format!("metadata.annotations[{key}]");
        if annotation::BOOLEANS.contains(&key.as_str()) {
            if let Err(error) = parse_bool(value) {
                findings.refuse("MR-3", field, CauseReason::NotSupported, error.to_string());
            }
        } else if !annotation::KNOWN.contains(&key.as_str())
            && let Some(known) = nearest_annotation(key)
        {
            let message = format!("annotation '{key}' is not known, did you mean \"{known}\"?");
            findings.warn("AD-3", field, message);
        }
    }
}

/// The known annotation whose own part, after the prefix that all of them share, is nearest.
fn nearest_annotation(key: &str) -> Option<&'static str> {
    let own = |key: &'static str| key.rsplit('/').next().unwrap_or(key);
    let near = nearest(
        key.rsplit('/').next()?,
        annotation::KNOWN.iter().map(|key| own(key)),
    )?;
    annotation::KNOWN.iter().copied().find(|known| own(known) == near)
}
