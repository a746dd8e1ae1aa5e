//! Judging reviews, and the short wait for objects that are just being made (AD-5).

use super::answer::{Late, Response};
use super::enforcement::{Enforcement, rules_of};
use super::envelope::{self, Ask, Judge, Request};
use super::error::ReadReviewError;
use super::{Settled, Trusted, conversion, settle};
use crate::api::Kind;
use crate::conversion::Converter;
use crate::rules::entries::{self, FailurePolicy};
use crate::rules::{self, CauseReason, Decision, Finding, Skipped, User, Verdict};
use crate::webhook::{Answer, Deadline, Path, Reviewer};
use crate::world::Shared;
use bytes::Bytes;
use http::StatusCode;
use jiff::Timestamp;
use std::sync::Arc;
use std::time::Duration;

/// How long a refusal for something that does not exist waits for it (AD-5).
const PATIENCE: Duration = Duration::from_millis(500);

/// What reviews have to tell beside their answers; counted and logged by whoever serves.
pub trait Told: Send + Sync + 'static {
    /// The v1alpha1 annotation of an object could not be read and was ignored (CV-1).
    fn unreadable_annotation(&self, object: &str);
    /// A part of a module's settings definition could not be used, or not in time (MC-7, MC-8).
    fn skipped(&self, module: &str, skipped: Skipped);
    /// Rules would have refused an object of that kind and name, each rule once, had they not been told to warn only
    /// (SV-6).
    fn would_refuse(&self, kind: &'static str, name: &str, rules: &[&'static str]);
}

/// Judges reviews against a world.
pub struct Reviews<T> {
    world: Arc<Shared>,
    trusted: Trusted,
    converter: Converter,
    enforcement: Enforcement,
    told: T,
}

impl<T: Told> Reviews<T> {
    /// Reviews against `world`.
    pub fn new(world: Arc<Shared>, trusted: Trusted, converter: Converter, told: T) -> Self {
        Self {
            world,
            trusted,
            converter,
            enforcement: Enforcement::default(),
            told,
        }
    }

    /// The same with refusals that only warn.
    #[must_use]
    pub fn enforcing(self, enforcement: Enforcement) -> Self {
        Self { enforcement, ..self }
    }

    /// Answers a review as the world is now, without waiting for it to change.
    pub async fn answer_at_once(&self, path: Path, body: &[u8], deadline: Deadline) -> Answer {
        match path {
            Path::Validate => match read(body) {
                Ok(Asked::Judge(labels, uid, judge)) => {
                    let verdict = self.judge(&judge);
                    self.settle(labels, &uid, &judge, verdict, deadline).await
                }
                Ok(Asked::Answered(answer)) | Err(answer) => answer,
            },
            Path::Mutate => mutate(body),
            Path::Convert => self.convert(body),
        }
    }

    fn judge(&self, judge: &Judge<'_>) -> Verdict {
        if let Some(part) = judge.too_deep {
            let message = format!("nested deeper than {}: flatten it", super::json::MAX_DEPTH);
            let refusal = Finding {
                rule: "AD-1",
                field: part.to_owned(),
                message,
                reason: CauseReason::Invalid,
                forbidden: false,
            };
            return Verdict {
                decision: Decision::Refused,
                refusals: vec![refusal],
                ..Verdict::default()
            };
        }
        let user = User {
            name: &judge.user,
            trusted: self.trusted.contains(&judge.user),
        };
        rules::validate(&judge.subject, user, &self.world.read(), Timestamp::now())
    }

    async fn validate(&self, body: &[u8], deadline: Deadline) -> Answer {
        let (labels, uid, judge) = match read(body) {
            Ok(Asked::Judge(labels, uid, judge)) => (labels, uid, judge),
            Ok(Asked::Answered(answer)) | Err(answer) => return answer,
        };
        let mut verdict = self.judge(&judge);
        if waits(&verdict) {
            // Subscribed before the second look, so that nothing arrives unseen between the two.
            let mut changes = self.world.changes();
            let until = tokio::time::Instant::now() + PATIENCE.min(deadline.remaining());
            verdict = self.judge(&judge);
            while waits(&verdict)
                && tokio::time::timeout_at(until, changes.changed())
                    .await
                    .is_ok_and(|c| c.is_ok())
            {
                let world = self.world.read();
                let arrived = verdict
                    .missing
                    .iter()
                    .any(|missing| world.has(missing.kind, &missing.name));
                drop(world);
                if arrived {
                    verdict = self.judge(&judge);
                }
            }
        }
        self.settle(labels, &uid, &judge, verdict, deadline).await
    }

    /// Judges the settings, where the verdict leaves that open, and answers.
    async fn settle(
        &self,
        labels: Labels,
        uid: &str,
        judge: &Judge<'_>,
        verdict: Verdict,
        deadline: Deadline,
    ) -> Answer {
        let Settled {
            mut verdict,
            skipped,
            timed_out,
            is_passing: _,
        } = settle(verdict, &self.converter, deadline.instant()).await;
        if let Some((module, skipped)) = skipped {
            self.told.skipped(&module, skipped);
        }
        let softened = self.enforcement.take(&mut verdict);
        let mut would_refuse = rules_of(&softened);
        // Only now, since a refusal that only warns says nothing of the settings.
        let answer = if timed_out && verdict.refusals.is_empty() {
            let late = self.late(judge);
            if late == Late::WouldBeRefused {
                would_refuse.push("AD-6");
            }
            labels.timed_out(uid, judge, late, &softened)
        } else {
            verdict.warnings.splice(0..0, softened);
            labels.judged(uid, judge, &verdict, &would_refuse)
        };
        if !would_refuse.is_empty() {
            let subject = &judge.subject;
            self.told
                .would_refuse(subject.kind.name(), &subject.name, &would_refuse);
        }
        answer
    }

    /// AD-6: an explicit answer instead of silence. Where the API server would go on without us, so do we: an
    /// explicit refusal would block there.
    fn late(&self, judge: &Judge<'_>) -> Late {
        match entries::failure_policy(judge.subject.kind, judge.subject.operation) {
            FailurePolicy::Ignore => Late::Allowed,
            FailurePolicy::Fail if self.enforcement.only_warns("AD-6") => Late::WouldBeRefused,
            FailurePolicy::Fail => Late::Refused,
        }
    }

    fn convert(&self, body: &[u8]) -> Answer {
        const LABELS: Labels = Labels {
            kind: "ConversionReview",
            operation: "CONVERT",
        };
        match conversion::convert(body) {
            Ok(converted) => {
                converted
                    .unreadable
                    .iter()
                    .for_each(|object| self.told.unreadable_annotation(object));
                let verdict = if converted.ok { "allowed" } else { "refused" };
                LABELS.answer(verdict, converted.json)
            }
            Err(message) => LABELS.malformed(&message),
        }
    }
}

impl<T: Told> Reviewer for Reviews<T> {
    async fn answer(&self, path: Path, body: Bytes, deadline: Deadline) -> Answer {
        match path {
            Path::Validate => self.validate(&body, deadline).await,
            Path::Mutate => mutate(&body),
            Path::Convert => self.convert(&body),
        }
    }
}

/// Whether nothing but absences led to the refusal, so that the arrival of what is missing would turn it.
fn waits(verdict: &Verdict) -> bool {
    !verdict.missing.is_empty() && verdict.missing.len() == verdict.refusals.len()
}

/// A review that was read.
enum Asked<'a> {
    Judge(Labels, String, Box<Judge<'a>>),
    Answered(Answer),
}

/// Reads a validating review; what cannot be read is answered with 400.
fn read(body: &[u8]) -> Result<Asked<'_>, Answer> {
    let request = envelope::read(body).map_err(|error| Labels::UNKNOWN.malformed_by(&error))?;
    let labels = Labels::of(&request);
    let uid = request.uid.clone().into_owned();
    match request.into_ask() {
        Ok(Ask::Judge(judge)) => Ok(Asked::Judge(labels, uid, judge)),
        Ok(Ask::PassOver(warning)) => {
            let response = Response::passed_over(&uid, "AD-1", warning.as_deref());
            Ok(Asked::Answered(
                labels.answer(Decision::Skipped.name(), response.into_json()),
            ))
        }
        Err(error) => Err(labels.malformed_by(&error)),
    }
}

/// MUT-1.
fn mutate(body: &[u8]) -> Answer {
    let request = match envelope::read(body) {
        Ok(request) => request,
        Err(error) => return Labels::UNKNOWN.malformed_by(&error),
    };
    let labels = Labels::of(&request);
    if let Err(error) = request.check() {
        return labels.malformed_by(&error);
    }
    let body = match request.body_to_fill() {
        Ok(body) => body,
        Err(error) => return labels.malformed_by(&error),
    };
    let Some((kind, version, body)) = body else {
        let response = Response::passed_over(&request.uid, "", None);
        return labels.answer(Decision::Skipped.name(), response.into_json());
    };
    let patch = rules::mutate::patch(kind, version, &body);
    labels.answer(
        Decision::Allowed.name(),
        Response::patched(&request.uid, &patch).into_json(),
    )
}

/// Metric labels of a review, from fixed sets.
#[derive(Clone, Copy)]
struct Labels {
    kind: &'static str,
    operation: &'static str,
}

impl Labels {
    const UNKNOWN: Self = Self {
        kind: "other",
        operation: "other",
    };

    fn of(request: &Request<'_>) -> Self {
        Self {
            kind: request.our_kind().map_or("other", Kind::name),
            operation: request.judged_operation().map_or("other", rules::Operation::name),
        }
    }

    fn judged(
        self,
        uid: &str,
        judge: &Judge<'_>,
        verdict: &Verdict,
        would_refuse: &[&'static str],
    ) -> Answer {
        let subject = &judge.subject;
        let response = Response::judged(uid, subject.kind.name(), &subject.name, verdict, would_refuse);
        self.answer(verdict.decision.name(), response.into_json())
    }

    fn timed_out(self, uid: &str, judge: &Judge<'_>, late: Late, warnings: &[Finding]) -> Answer {
        let subject = &judge.subject;
        let response = Response::timed_out(uid, subject.kind.name(), &subject.name, late, warnings);
        self.answer("timeout", response.into_json())
    }

    fn answer(self, verdict: &'static str, json: Vec<u8>) -> Answer {
        Answer {
            status: StatusCode::OK,
            body: json.into(),
            kind: self.kind,
            operation: self.operation,
            verdict,
        }
    }

    fn malformed_by(self, error: &ReadReviewError) -> Answer {
        self.malformed(&error.to_string())
    }

    /// AD-1: an HTTP error with one line of JSON.
    fn malformed(self, message: &str) -> Answer {
        let line = format!("{}\n", serde_json::json!({"error": message}));
        Answer {
            status: StatusCode::BAD_REQUEST,
            body: line.into(),
            kind: self.kind,
            operation: self.operation,
            verdict: "malformed",
        }
    }
}
