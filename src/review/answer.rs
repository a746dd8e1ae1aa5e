//! The AdmissionReview as it goes out: verdict, causes, warnings, audit annotations and patch.

use super::enforcement::{rules_of, would_be_refused};
use crate::api::GROUP;
use crate::rules::{Decision, Finding, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use json_patch::PatchOperation;
use serde::Serialize;

/// Longest warning that clients show whole (AD-3; the API server cuts at 256).
const LONGEST_WARNING: usize = 256;
/// All warnings together, beyond which the API server drops them.
const ALL_WARNINGS: usize = 4_096;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Review<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

/// What the API server is told.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    // The API server refuses a type without a patch, so both or neither.
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<AuditAnnotations>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(rename = "status")]
    outcome: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    group: &'static str,
    kind: &'a str,
    name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<Cause<'a>>,
}

#[derive(Serialize)]
struct Cause<'a> {
    field: &'a str,
    reason: &'static str,
    message: &'a str,
}

/// AD-7.
#[derive(Serialize)]
struct AuditAnnotations {
    #[serde(rename = "hatchway.decision")]
    decision: &'static str,
    #[serde(rename = "hatchway.rules")]
    rules: String,
    /// Rules that would have refused (SV-6).
    #[serde(rename = "hatchway.would-refuse", skip_serializing_if = "String::is_empty")]
    would_refuse: String,
}

/// What becomes of a review whose verdict is not ready in time (AD-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Refused: silence would be a refusal, too.
    Refused,
    /// Allowed: silence would be, too.
    Allowed,
    /// Allowed, since refusals only warn (SV-6).
    WouldBeRefused,
}

impl<'a> Response<'a> {
    /// A verdict on an object; its first warnings stand for refusals of the rules `would_refuse`.
    pub fn judged(
        uid: &'a str,
        kind: &'a str,
        name: &'a str,
        verdict: &'a Verdict,
        would_refuse: &[&'static str],
    ) -> Self {
        Self {
            uid,
            allowed: verdict.decision != Decision::Refused,
            status: (verdict.decision == Decision::Refused).then(|| refusal(kind, name, &verdict.refusals)),
            audit_annotations: Some(AuditAnnotations {
                decision: verdict.decision.name(),
                rules: rules(verdict),
                would_refuse: would_refuse.join(","),
            }),
            warnings: fit(verdict.warnings.iter().map(|finding| finding.message.as_str())),
            ..Self::default()
        }
    }

    /// A review that is not looked into, by a rule or for want of one: allowed, with a warning or without.
    pub fn passed_over(uid: &'a str, rule: &str, warning: Option<&str>) -> Self {
        Self {
            uid,
            allowed: true,
            audit_annotations: Some(AuditAnnotations {
                decision: Decision::Skipped.name(),
                rules: rule.to_owned(),
                would_refuse: String::new(),
            }),
            warnings: fit(warning.into_iter()),
            ..Self::default()
        }
    }

    /// No verdict in time; `warnings` stand for refusals that were found meanwhile and only warn (AD-6, SV-6).
    pub fn timed_out(uid: &'a str, kind: &'a str, name: &'a str, late: Late, warnings: &[Finding]) -> Self {
        const RULE: &str = "AD-6";
        const MESSAGE: &str =
            "no verdict in time: spec.settings could not be converted before the caller's timeout, try again";
        let status = (late == Late::Refused).then(|| Status {
            outcome: "Failure",
            code: 504,
            reason: "Timeout",
            message: MESSAGE.to_owned(),
            details: Details {
                group: GROUP,
                kind,
                name,
                causes: Vec::new(),
            },
        });
        let mut would_refuse = rules_of(warnings);
        let mut told: Vec<String> = warnings.iter().map(|finding| finding.message.clone()).collect();
        match late {
            Late::Refused => {}
            Late::Allowed => told.push(MESSAGE.to_owned()),
            Late::WouldBeRefused => {
                would_refuse.push(RULE);
                told.push(would_be_refused(MESSAGE));
            }
        }
        let decision = match late {
            Late::Refused => Decision::Refused,
            Late::Allowed | Late::WouldBeRefused => Decision::Allowed,
        };
        Self {
            uid,
            allowed: late != Late::Refused,
            status,
            audit_annotations: Some(AuditAnnotations {
                decision: decision.name(),
                rules: RULE.to_owned(),
                would_refuse: would_refuse.join(","),
            }),
            warnings: fit(told.iter().map(String::as_str)),
            ..Self::default()
        }
    }

    /// Defaults to be filled in; without any, an answer without a patch.
    pub fn patched(uid: &'a str, patch: &[PatchOperation]) -> Self {
        let text = (!patch.is_empty()).then(|| serde_json::to_vec(patch).unwrap_or_default());
        Self {
            uid,
            allowed: true,
            patch_type: text.is_some().then_some("JSONPatch"),
            patch: text.map(|text| STANDARD.encode(text)),
            audit_annotations: Some(AuditAnnotations {
                decision: Decision::Allowed.name(),
                rules: if patch.is_empty() {
                    String::new()
                } else {
                    "MUT-1".to_owned()
                },
                would_refuse: String::new(),
            }),
            ..Self::default()
        }
    }

    /// The whole review as a line of JSON, for people with curl.
    pub fn into_json(self) -> Vec<u8> {
        let review = Review {
            api_version: "admission.k8s.io/v1",
            kind: "AdmissionReview",
            response: self,
        };
        // Strings, numbers and booleans: nothing here can fail to serialise.
        let mut json = serde_json::to_vec(&review).unwrap_or_default();
        json.push(b'\n');
        json
    }
}

/// AD-2: all violations at once; 403 where one is about who asks or about a removal, since kubectl then prints the
/// message, which names them all.
fn refusal<'a>(kind: &'a str, name: &'a str, refusals: &'a [Finding]) -> Status<'a> {
    let is_forbidden = refusals.iter().any(|finding| finding.forbidden);
    let message = refusals
        .iter()
        .map(|finding| format!("{}: {}", finding.field, finding.message))
        .collect::<Vec<_>>();
    let causes = refusals.iter().map(|finding| Cause {
        field: &finding.field,
        reason: finding.reason.name(),
        message: &finding.message,
    });
    Status {
        outcome: "Failure",
        code: if is_forbidden { 403 } else { 422 },
        reason: if is_forbidden { "Forbidden" } else { "Invalid" },
        message: message.join("; "),
        details: Details {
            group: GROUP,
            kind,
            name,
            causes: causes.collect(),
        },
    }
}

/// The rules that decided: those that refuse; where none does, those that warn; AD-8 where nothing was judged.
fn rules(verdict: &Verdict) -> String {
    let findings = match verdict.decision {
        Decision::Skipped => return "AD-8".to_owned(),
        Decision::Refused => &verdict.refusals,
        Decision::Allowed => &verdict.warnings,
    };
    rules_of(findings).join(",")
}

/// As many warnings as the API server passes on, each as long as clients show; then a count. Lengths are characters,
/// as the API server counts them.
fn fit<'m>(messages: impl Iterator<Item = &'m str>) -> Vec<String> {
    let all: Vec<String> = messages.map(shorten).collect();
    let length = |warning: &String| warning.chars().count();
    if all.iter().map(length).sum::<usize>() <= ALL_WARNINGS {
        return all;
    }
    let count = all.len();
    let mut left = ALL_WARNINGS - "and 4294967295 more warnings".len();
    let mut fitting: Vec<String> = all
        .into_iter()
        .take_while(|warning| {
            let fits = length(warning) <= left;
            left = left.saturating_sub(length(warning));
            fits
        })
        .collect();
    fitting.push(format!("and {} more warnings", count - fitting.len()));
    fitting
}

fn shorten(message: &str) -> String {
    // A message of few bytes has few characters.
    if message.len() <= LONGEST_WARNING || message.chars().count() <= LONGEST_WARNING {
        return message.to_owned();
    }
    message.chars().take(LONGEST_WARNING - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_cut_between_characters() {
        let fits = "ы".repeat(LONGEST_WARNING);
        assert_eq!(shorten(&fits), fits);
        let cut = shorten(&(fits + "ы"));
        assert_eq!(cut.chars().count(), LONGEST_WARNING);
        assert!(cut.ends_with("ы…"));
    }

    #[test]
    fn warnings_that_do_not_fit_are_counted() {
        let all = vec!["x".repeat(250); 40];
        let fitting = fit(all.iter().map(String::as_str));
        assert!(fitting.iter().map(String::len).sum::<usize>() <= ALL_WARNINGS);
        assert_eq!(
            fitting.last().unwrap(),
            &format!("and {} more warnings", 40 - (fitting.len() - 1))
        );
    }
}
