//! Settings of a ModuleConfig, judged by the module's own definition (MC-6 to MC-8).
//!
//! A conversion between versions runs in another process, and a validation rule can take its time: neither may happen
//! while the world is locked. So the rules only ask: a [`SettingsQuestion`] in the verdict holds all that is needed,
//! whoever called them converts, and [`SettingsQuestion::conclude`] says what comes of it.

use super::finding::Findings;
use super::verdict::{Decision, Verdict};
use super::{Case, CauseReason, Finding};
use crate::api::names;
use crate::settings::{Judgement, PathFrom, Reason, Source, Violation, quotes_a_secret};
use crate::world::SettingsDefinition;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Instant;

/// Settings that are still to be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct SettingsQuestion {
    /// What they are judged by.
    pub definition: Arc<SettingsDefinition>,
    /// The settings as they shall be.
    pub new: Written,
    /// The settings as they were, for rules about the change; `None` where there were none.
    pub old: Option<Written>,
}

/// Settings in the version that they were written for.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The version of their schema.
    pub version: u32,
    /// The settings: an object.
    pub settings: Value,
}

/// A conversion that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedConversion {
    /// The version that the failing step leads from.
    pub from: u32,
    /// The version that it leads to.
    pub to: u32,
    /// Why, without secrets.
    pub cause: String,
}

/// What judging settings has to tell beside the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Validation rules that ran out of time.
    pub rules: usize,
    /// Whether the schema does not compile, so that nothing was judged.
    pub schema: bool,
}

const VERSION: &str = "spec.version";
const SETTINGS: &str = "spec.settings";

/// MC-6, and the question that MC-7 and MC-8 answer.
pub(super) fn judge(case: &Case<'_>, findings: &mut Findings) {
    if case.name() == names::GLOBAL_CONFIG {
        return;
    }
    // First, since comparing large settings costs more than finding nothing to judge them by.
    let Some(definition) = case.world.definition(case.name()) else {
        return;
    };
    let is_unchanged =
        |key: &&str| case.subject.old.is_some() && case.value(&[key]) == case.old_value(&[key]);
    if ["enabled", "version", "settings"].iter().all(is_unchanged) {
        return;
    }
    let written = case.value(&["settings"]);
    if written.is_some_and(|written| !written.is_object() && !written.is_null()) {
        // The schema has spoken (AD-4), and what they would mean nobody knows.
        return;
    }
    let latest = definition.compiled().latest();
    let settings = settings(written);
    let version = case.value(&["version"]).and_then(whole);
    let is_off = case.flag(&["enabled"]) == Some(false);
    if let Some(version) = version
        // A definition without a single version that can be read judges nothing: the question tells so.
        && latest > 0
    {
        let is_new = ["version", "settings"].iter().any(|key| !is_unchanged(key));
        // Turning a module off is never refused for what was wrong with its settings before (AD-8).
        let is_refused = settings.is_some() && (is_new || !is_off);
        if !version_fits(version, is_refused, definition, findings) && settings.is_some() {
            return;
        }
    }
    let new = match (settings, version) {
        (Some(settings), Some(version)) => Written {
            // One that is larger has been refused, unless nothing can be judged at all.
            version: u32::try_from(version).unwrap_or(u32::MAX),
            settings: settings.clone(),
        },
        (None, _) if is_on(case) => Written {
            version: latest,
            settings: Map::new().into(),
        },
        // Of settings without a version MC-5 has spoken, or the schema.
        (Some(_), None) | (None, _) => return,
    };
    if is_off {
        return;
    }
    let old_settings = self::settings(case.old_value(&["settings"])).cloned();
    let old_version = case.old_value(&["version"]).and_then(whole);
    let old = old_settings.zip(old_version.and_then(|version| u32::try_from(version).ok()));
    findings.question = Some(SettingsQuestion {
        definition: Arc::clone(definition),
        new,
        old: old.map(|(settings, version)| Written { version, settings }),
    });
}

/// Settings that are there: `{}` is none.
fn settings(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| value.as_object().is_some_and(|settings| !settings.is_empty()))
}

/// Whether the module runs with the object as it shall be.
fn is_on(case: &Case<'_>) -> bool {
    case.flag(&["enabled"])
        .unwrap_or_else(|| case.world.is_running(case.name()))
}

/// A whole number from 1, however it is written: `1.0` is one, too.
fn whole(value: &Value) -> Option<u64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole and positive; what is wider than any version is cut to one that nobody has either"
    )]
    let from_float = |number: f64| (number.fract() == 0.0 && number >= 1.0).then_some(number as u64);
    value
        .as_u64()
        .filter(|number| *number > 0)
        .or_else(|| value.as_f64().and_then(from_float))
}

/// MC-6: whether the version is known, and there is a way from it to the latest.
fn version_fits(
    version: u64,
    is_refused: bool,
    definition: &SettingsDefinition,
    findings: &mut Findings,
) -> bool {
    let latest = definition.compiled().latest();
    let path =
        u32::try_from(version).map_or(PathFrom::None, |version| definition.compiled().path_from(version));
    match path {
        PathFrom::Same => true,
        PathFrom::Steps(_) => {
            findings.warn(
                "MC-6",
                VERSION,
                format!(
                    "spec.version={version} is obsolete. Please migrate spec.settings to the latest version {latest}"
                ),
            );
            true
        }
        PathFrom::None => {
            let message = format!("spec.version={version} is unsupported. Use latest version {latest}");
            if is_refused {
                findings.refuse("MC-6", VERSION, CauseReason::NotSupported, message);
            } else {
                findings.warn("MC-6", VERSION, message);
            }
            false
        }
    }
}

impl SettingsQuestion {
    /// The latest version of the settings.
    pub fn latest(&self) -> u32 {
        self.definition.compiled().latest()
    }

    /// Whether judging these is worth a thread of its own: the settings as they are after conversion, which can make
    /// much of little.
    pub fn is_heavy(&self, new: Option<&Value>, old: Option<&Value>) -> bool {
        let compiled = self.definition.compiled();
        [new, old]
            .into_iter()
            .flatten()
            .any(|settings| compiled.is_heavy(settings))
    }

    /// Judges the settings, brought to the latest version, and adds to the verdict what is wrong. `old` is `None`
    /// where there was nothing, or nothing that could be converted. Nothing here outlasts `deadline` by much.
    pub fn conclude(
        &self,
        new: Result<&Value, &FailedConversion>,
        old: Option<&Value>,
        deadline: Instant,
        verdict: &mut Verdict,
    ) -> Skipped {
        let settings = match new {
            Ok(settings) => settings,
            Err(FailedConversion { from, to, cause }) => {
                let message = format!("spec.settings conversion from version {from} to {to}: {cause}");
                verdict.refuse(vec![refusal(
                    "MC-6",
                    SETTINGS.to_owned(),
                    CauseReason::Invalid,
                    message,
                )]);
                return Skipped::default();
            }
        };
        let judgement = self.definition.compiled().judge(settings, old, Some(deadline));
        verdict.refuse(
            judgement
                .violations
                .iter()
                .map(|violation| self.violation(violation))
                .collect(),
        );
        self.warn(&judgement, verdict);
        Skipped {
            rules: judgement.skipped.len(),
            schema: judgement.unjudged,
        }
    }

    /// MC-7 tells the version that was judged; MC-8 speaks in the words of the module's author.
    fn violation(&self, violation: &Violation) -> Finding {
        let field = match violation.path.as_str() {
            "" => SETTINGS.to_owned(),
            path if path.starts_with('[') => format!("{SETTINGS}{path}"),
            path => format!("{SETTINGS}.{path}"),
        };
        let reason = match violation.reason {
            Reason::Invalid => CauseReason::Invalid,
            Reason::Required => CauseReason::Required,
            Reason::NotSupported => CauseReason::NotSupported,
            Reason::Forbidden => CauseReason::Forbidden,
            Reason::Duplicate => CauseReason::Duplicate,
        };
        match violation.source {
            Source::Rule => refusal("MC-8", field, reason, violation.message.clone()),
            Source::Schema => {
                let (written, latest) = (self.new.version, self.latest());
                let version = if written == latest {
                    format!("version {latest}")
                } else {
                    format!("version {written} converted to {latest}")
                };
                let told = self.without_secrets(&violation.message);
                let message = format!("spec.settings are not valid ({version}): {told}");
                refusal("MC-7", field, reason, message)
            }
        }
    }

    /// A conversion can bring a secret to a place that nothing marks: what was found there is left out then.
    fn without_secrets<'a>(&self, message: &'a str) -> &'a str {
        if self.new.version == self.latest() || !quotes_a_secret(message, &self.new.settings) {
            return message;
        }
        message.split(", found ").next().unwrap_or_default()
    }

    fn warn(&self, judgement: &Judgement, verdict: &mut Verdict) {
        let mut warn = |rule, message: String| {
            verdict
                .warnings
                .push(refusal(rule, SETTINGS.to_owned(), CauseReason::Invalid, message));
        };
        if judgement.unjudged {
            warn(
                "MC-7",
                format!(
                    "the settings schema of module '{}' cannot be used, so spec.settings were not judged: tell the module's author",
                    crate::api::Resource::name(&**self.definition)
                ),
            );
        }
        if judgement.more {
            warn(
                "MC-7",
                "more is wrong with spec.settings than is told here: mend this first".to_owned(),
            );
        }
        if judgement.rules_not_run && judgement.violations.is_empty() {
            warn(
                "MC-8",
                "the rules of the settings schema could not be run: try again".to_owned(),
            );
        }
        for rule in &judgement.skipped {
            let place = if rule.path.is_empty() {
                SETTINGS.to_owned()
            } else {
                format!("{SETTINGS}.{}", rule.path)
            };
            warn(
                "MC-8",
                format!("a rule at {place} took too long and was skipped: {}", rule.rule),
            );
        }
    }
}

impl Verdict {
    /// Adds refusals.
    pub(crate) fn refuse(&mut self, mut refusals: Vec<Finding>) {
        self.refusals.append(&mut refusals);
        if !self.refusals.is_empty() {
            self.decision = Decision::Refused;
        }
    }
}

fn refusal(rule: &'static str, field: String, reason: CauseReason, message: String) -> Finding {
    Finding {
        rule,
        field,
        message,
        reason,
        forbidden: false,
    }
}
