//! From documents to a report: each object as if all were applied at once.

use jiff::Timestamp;

use super::report::{About, Found, Origin, Report, Severity, UNREADABLE};
use super::strict::Unknown;
use super::{Strictness, applied, strict};
use crate::api::{GROUP, Kind};
use crate::cluster::{intake, metadata};
use crate::documents::{Document, Reading};
use crate::review::Settler;
use crate::rules::admit::{self, AdmitError, Admitted};
use crate::rules::{Decision, User, Verdict};
use crate::values::nearest;
use crate::world::{Object, World};

/// Judges all documents. Kinds that others refer to come first, and what is accepted enters the world, so that the
/// order of the files does not matter.
pub(super) fn judge(
    readings: Vec<Reading>,
    world: World,
    user: User<'_>,
    settler: &Settler,
    strictness: Strictness,
    now: Timestamp,
) -> Report {
    let mut check = Check {
        world,
        user,
        settler,
        strictness,
        now,
        report: Report {
            files: readings.len(),
            ..Report::default()
        },
        found: Vec::new(),
    };
    let mut ours = Vec::new();
    for (file, Reading { documents, problems }) in readings.into_iter().enumerate() {
        check.report.unreadable += problems.len();
        for problem in problems {
            let found = Found {
                severity: Severity::Error,
                origin: Origin::File {
                    file: problem.file,
                    place: problem.place,
                },
                rule: UNREADABLE,
                about: None,
                message: problem.message,
            };
            check.found.push((file, found));
        }
        for document in documents {
            match admit::identify(&document.value) {
                Ok((kind, version, name)) => {
                    let name = name.to_owned();
                    ours.push((file, kind, version, name, document));
                }
                Err(error) => check.tell_unidentified(file, &document, &error),
            }
        }
    }
    // Stable: within a kind the order of the files holds.
    ours.sort_by_key(|(_, kind, ..)| *kind);
    for (file, kind, version, name, document) in ours {
        check.judge(file, kind, version, name, &document);
    }
    let Check {
        mut report,
        mut found,
        ..
    } = check;
    found.sort_by_key(|(file, found)| (*file, found.place(), found.severity));
    report.found = found.into_iter().map(|(_, found)| found).collect();
    report
}

struct Check<'a> {
    world: World,
    user: User<'a>,
    settler: &'a Settler,
    strictness: Strictness,
    now: Timestamp,
    report: Report,
    /// With the number of the file.
    found: Vec<(usize, Found)>,
}

impl Check<'_> {
    fn judge(&mut self, file: usize, kind: Kind, version: &'static str, name: String, document: &Document) {
        self.report.objects += 1;
        let old = self.world.object(kind, &name).map(|old| old.to_value());
        let object = applied::over(old.as_ref(), document.value.clone());
        let mut misfits = metadata::check(&object["metadata"]);
        let admitted = match admit::admit(object, old.as_ref(), self.user, &self.world, self.now) {
            Ok(Admitted { object, verdict }) => Admitted {
                object,
                verdict: self.settler.settle(verdict),
            },
            Err(error) => {
                self.report.objects -= 1;
                return self.tell_unidentified(file, document, &error);
            }
        };
        let mut tell = Telling {
            kind: kind.name(),
            name: &name,
            document,
            found: Vec::new(),
        };
        let unknown = strict::unknown(kind, version, &document.value);
        // A rule knows better than the API server what a name has to be.
        let refusals = &admitted.verdict.refusals;
        misfits.retain(|misfit| refusals.iter().all(|refusal| refusal.field != misfit.field));
        for misfit in misfits {
            tell.tell(Severity::Error, "AD-4", &misfit.field, misfit.message);
        }
        tell.verdict(&admitted.verdict, &unknown);
        tell.decoding(self.strictness, unknown);
        let is_refused = admitted.verdict.decision == Decision::Refused
            || tell.found.iter().any(|found| found.severity == Severity::Error);
        if is_refused {
            self.report.refused += 1;
        } else if let Ok(object) = intake::to_stored(kind, admitted.object) {
            // What was accepted has the shape that its schema wants, so this succeeds; were it otherwise, other
            // objects would be judged as if it were not there.
            tell.problems(&object);
            self.world.insert(object);
        }
        let found = tell.found;
        self.found.extend(found.into_iter().map(|found| (file, found)));
    }

    /// A document without a kind of ours, a served version, or a name.
    fn tell_unidentified(&mut self, file: usize, document: &Document, error: &AdmitError) {
        let text = |key: &str| document.value.get(key).and_then(serde_json::Value::as_str);
        let kind = text("kind").unwrap_or_default();
        let name = document
            .value
            .pointer("/metadata/name")
            .and_then(serde_json::Value::as_str)
            .unwrap_or_default();
        let mut tell = Telling {
            kind,
            name,
            document,
            found: Vec::new(),
        };
        match error {
            AdmitError::NotOurs { api_version, .. } => {
                self.report.passed_over += 1;
                let is_our_group = api_version
                    .split_once('/')
                    .is_some_and(|(group, _)| group == GROUP);
                // The group has kinds that others judge: only what nearly says one of ours is told.
                if is_our_group && let Some(known) = nearest(kind, Kind::ALL.map(Kind::name)) {
                    let message = format!("kind '{kind}' is passed over, did you mean \"{known}\"?");
                    tell.tell(Severity::Warning, "AD-3", "kind", message);
                }
            }
            AdmitError::Version { .. } => {
                self.report.objects += 1;
                self.report.refused += 1;
                tell.tell(Severity::Error, "AD-4", "apiVersion", error.to_string());
            }
            AdmitError::NoName(kind) => {
                self.report.objects += 1;
                self.report.refused += 1;
                let message = format!("a name is required: give the {kind} one");
                tell.tell(Severity::Error, "AD-4", "metadata.name", message);
            }
        }
        let found = tell.found;
        self.found.extend(found.into_iter().map(|found| (file, found)));
    }
}

/// Findings about one object, each with its place.
struct Telling<'a> {
    kind: &'a str,
    name: &'a str,
    document: &'a Document,
    found: Vec<Found>,
}

impl Telling<'_> {
    fn tell(&mut self, severity: Severity, rule: &'static str, field: &str, message: String) {
        self.found.push(Found {
            severity,
            origin: Origin::File {
                file: self.document.file.clone(),
                place: self.document.place_of(field),
            },
            rule,
            about: Some(About {
                kind: self.kind.to_owned(),
                name: self.name.to_owned(),
                field: field.to_owned(),
            }),
            message,
        });
    }

    /// What the rules say; unknown fields are told by [`Self::decoding`] alone.
    fn verdict(&mut self, verdict: &Verdict, unknown: &[Unknown]) {
        for refusal in &verdict.refusals {
            self.tell(
                Severity::Error,
                refusal.rule,
                &refusal.field,
                refusal.message.clone(),
            );
        }
        for warning in &verdict.warnings {
            let is_unknown = unknown.iter().any(|unknown| unknown.field == warning.field);
            if !(warning.rule == "AD-4" && is_unknown) {
                self.tell(
                    Severity::Warning,
                    warning.rule,
                    &warning.field,
                    warning.message.clone(),
                );
            }
        }
    }

    /// What of a definition of settings cannot be judged by: reviews leave it out.
    fn problems(&mut self, object: &Object) {
        let Object::ModuleSettingsDefinition(definition) = object else {
            return;
        };
        for problem in definition.compiled().problems() {
            let field = problem.field(&self.document.value["spec"]);
            self.tell(
                Severity::Warning,
                problem.kind.rule(),
                &field,
                problem.message.clone(),
            );
        }
    }

    /// Unknown and duplicate fields.
    fn decoding(&mut self, strictness: Strictness, unknown: Vec<Unknown>) {
        let severity = match strictness {
            Strictness::Strict => Severity::Error,
            Strictness::Warn => Severity::Warning,
            Strictness::Ignore => return,
        };
        for Unknown { field, nearest } in unknown {
            let hint = nearest.map_or_else(
                || ": remove it".to_owned(),
                |known| format!(", did you mean \"{known}\"?"),
            );
            let message = match severity {
                Severity::Error => format!("unknown field{hint}"),
                // The words that the server warns with.
                Severity::Warning => format!("unknown field '{field}' is dropped{hint}"),
            };
            self.tell(severity, "AD-4", &field, message);
        }
        for duplicate in self.document.duplicates() {
            self.tell(
                severity,
                "AD-4",
                &duplicate.path,
                format!(
                    "field '{}' is there twice: remove one, or the last one counts",
                    duplicate.path
                ),
            );
            // The field's own place is that of the value that counts; the finding is about the repetition.
            if let Some(Found {
                origin: Origin::File { place, .. },
                ..
            }) = self.found.last_mut()
            {
                *place = duplicate.place;
            }
        }
    }
}
