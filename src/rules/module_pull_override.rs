//! Rules of ModulePullOverride, in both versions.

use super::finding::{Findings, or_nearest};
use super::rule::{CREATE, Reads, Rule, WRITES};
use super::scan_interval::ScanInterval;
use super::{Case, CauseReason, module_config};
use crate::api::names::annotation;
use crate::api::{Kind, Module, ModuleConfig, ModuleSource, words};
use crate::values::ImageTag;
use std::time::Duration;

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: module_config::module_name,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Name],
        judge: module,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["imageTag"])],
        judge: image_tag,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["scanInterval"])],
        judge: scan_interval,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["source"])],
        judge: source,
    },
];

/// Below this people are warned (MPO-3).
const SHORT_INTERVAL: Duration = Duration::from_secs(5);
/// Above this an override would hardly be looked at (MPO-3).
const LONGEST_INTERVAL: Duration = Duration::from_hours(24);

/// MPO-1 and MPO-5: the module is there, is no part of the platform, is on and has a source. The first that is not
/// so is told, in the order in which the override's status tells them.
fn module(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "metadata.name";
    let name = case.name();
    let Some(module) = case.world.get::<Module>(name) else {
        if case.world.has(Kind::Module, name) {
            return;
        }
        let hint = or_nearest(
            case.world.nearest::<Module>(name),
            "the override waits until a ModuleSource offers it, check the name",
        );
        findings.warn("MPO-5", FIELD, format!("The module not found{hint}"));
        return;
    };
    if module.is_embedded() {
        findings.refuse(
            "MPO-1",
            FIELD,
            CauseReason::Forbidden,
            format!("The module is embedded: '{name}' comes with the platform, override modules of a ModuleSource only"),
        );
    } else if !case.world.is_on(name) {
        findings.warn(
            "MPO-5",
            FIELD,
            format!("The module disabled: enable ModuleConfig '{name}' to pull it"),
        );
    } else if own_source(case).is_none() && active_source(case, module).is_none() {
        findings.warn(
            "MPO-5",
            FIELD,
            format!(
                "The module does not have an active source: name one in spec.source of ModuleConfig '{name}'"
            ),
        );
    }
}

/// The source that the override itself names: in v1alpha1's field, or in the annotation that carries it (CV-1).
fn own_source(case: &Case<'_>) -> Option<String> {
    let written = case.text(&["source"]).map(str::to_owned);
    written.or_else(|| {
        let carried = case.current()?.annotations.get(annotation::V1ALPHA1_FIELDS)?;
        let fields: serde_json::Value = serde_json::from_str(carried).ok()?;
        fields["source"]
            .as_str()
            .filter(|source| !source.is_empty())
            .map(str::to_owned)
    })
}

/// SRC-6: the source that a module is taken from.
fn active_source<'a>(case: &Case<'a>, module: &'a Module) -> Option<&'a str> {
    let named = case
        .world
        .get::<ModuleConfig>(case.name())
        .and_then(|config| config.spec.source());
    let only = match module.properties.available_sources.as_slice() {
        [only] => Some(only.as_str()),
        _ => None,
    };
    named.or(module.properties.source.as_deref()).or(only)
}

/// MPO-2.
fn image_tag(case: &Case<'_>, findings: &mut Findings) {
    if let Some(tag) = case.raw_text(&["imageTag"])
        && ImageTag::parse(tag).is_err()
    {
        findings.refuse(
            "MPO-2",
            "spec.imageTag",
            CauseReason::Invalid,
            words::IMAGE_TAG.about(tag),
        );
    }
}

/// MPO-3.
fn scan_interval(case: &Case<'_>, findings: &mut Findings) {
    let bounds = ScanInterval {
        longest: LONGEST_INTERVAL,
        short: (SHORT_INTERVAL, "very often: 5s or more is kinder"),
        rules: ("MPO-3", "MPO-3"),
        text: words::OVERRIDE_INTERVAL,
    };
    bounds.judge(case, findings);
}

/// MPO-4: v1alpha1 names its source.
fn source(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.source";
    if case.subject.version != "v1alpha1" {
        return;
    }
    let Some(source) = case.text(&["source"]) else {
        if case.is_create() {
            findings.refuse(
                "MPO-4",
                FIELD,
                CauseReason::Required,
                "spec.source is required in v1alpha1: name a ModuleSource, or write the override in deckhouse.io/v1alpha2, which needs none",
            );
        }
        return;
    };
    if !case.world.has(Kind::ModuleSource, source) {
        let hint = or_nearest(
            case.world.nearest::<ModuleSource>(source),
            "create the ModuleSource first, or name one that exists",
        );
        findings.refuse(
            "MPO-4",
            FIELD,
            CauseReason::NotFound,
            format!("The source not found: '{source}'{hint}"),
        );
        findings.missing(Kind::ModuleSource, source);
    } else if let Some(module) = case.world.get::<Module>(case.name())
        && !module
            .properties
            .available_sources
            .iter()
            .any(|name| name == source)
    {
        findings.warn(
            "MPO-4",
            FIELD,
            format!(
                "source '{source}' does not offer module '{}', available sources: [{}]",
                case.name(),
                module.properties.available_sources.join(" ")
            ),
        );
    }
}
