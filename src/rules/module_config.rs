//! Rules of ModuleConfig, but for its settings.

use super::finding::{Findings, or_nearest};
use super::rule::{ALWAYS, CREATE, DELETE, Reads, Rule, WRITES};
use super::{Case, CauseReason, schema, settings, windows};
use crate::api::names::{self, annotation};
use crate::api::{Kind, Module, ModuleSource, ModuleUpdatePolicy, words};
use crate::values::{ModuleName, Requirement, Version};
use serde_json::Value;

const ENABLED: &[&str] = &["enabled"];
const PLATFORM_WINDOWS: &[&str] = &["settings", "update", "windows"];
const PLATFORM_CHANNEL: &[&str] = &["settings", "releaseChannel"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: name,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["source"])],
        judge: source,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["updatePolicy"])],
        judge: policy,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["settings"]), Reads::Body(&["version"])],
        judge: version_beside_settings,
    },
    Rule {
        on: WRITES,
        reads: &[
            Reads::Body(ENABLED),
            Reads::Body(&["settings"]),
            Reads::Body(&["version"]),
        ],
        judge: settings::judge,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(PLATFORM_WINDOWS)],
        judge: platform_windows,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(PLATFORM_CHANNEL)],
        judge: platform_channel,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(ENABLED)],
        judge: enabling,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(ENABLED)],
        judge: exclusive_group,
    },
    Rule {
        on: ALWAYS,
        reads: &[Reads::Body(ENABLED), Reads::Change],
        judge: disabling,
    },
    Rule {
        on: DELETE,
        reads: &[Reads::Name],
        judge: overridden,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Name],
        judge: unknown_module,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(ENABLED), Reads::Body(&["source"])],
        judge: several_sources,
    },
];

/// The name is a module's, or `global`.
fn name(case: &Case<'_>, findings: &mut Findings) {
    if case.name() != names::GLOBAL_CONFIG {
        module_name(case, findings);
    }
}

/// A config or an override is named after its module.
pub(super) fn module_name(case: &Case<'_>, findings: &mut Findings) {
    if ModuleName::parse(case.name()).is_err() {
        findings.refuse(
            "AD-4",
            "metadata.name",
            CauseReason::Invalid,
            words::MODULE_NAME.about(case.name()),
        );
    }
}

/// MC-1 to MC-3: the source exists and offers the module.
fn source(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.source";
    let Some(source) = case.text(&["source"]) else {
        return;
    };
    if source == names::EMBEDDED_SOURCE {
        findings.refuse(
            "MC-1",
            FIELD,
            CauseReason::Forbidden,
            words::FORBIDDEN_SOURCE.plain(),
        );
        return;
    }
    if !case.world.has(Kind::ModuleSource, source) {
        let hint = or_nearest(
            case.world.nearest::<ModuleSource>(source),
            "create the ModuleSource first, or name one that exists",
        );
        findings.refuse(
            "MC-2",
            FIELD,
            CauseReason::NotFound,
            format!("the '{source}' module source does not exist{hint}"),
        );
        findings.missing(Kind::ModuleSource, source);
        return;
    }
    let Some(module) = case.world.get::<Module>(case.name()) else {
        return;
    };
    let available = &module.properties.available_sources;
    if !available.iter().any(|name| name == source) {
        findings.refuse(
            "MC-3",
            FIELD,
            CauseReason::NotSupported,
            format!(
                "the '{source}' module source is an unavailable source for the '{}' module, available sources: [{}]",
                case.name(),
                available.join(" ")
            ),
        );
    }
}

/// MC-4: the policy exists.
fn policy(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.updatePolicy";
    let Some(policy) = case.text(&["updatePolicy"]) else {
        return;
    };
    if policy == names::EMBEDDED_POLICY {
        findings.refuse(
            "MC-4",
            FIELD,
            CauseReason::Forbidden,
            words::EMBEDDED_POLICY_NAMED.plain(),
        );
    } else if !case.world.has(Kind::ModuleUpdatePolicy, policy) {
        let hint = or_nearest(
            case.world.nearest::<ModuleUpdatePolicy>(policy),
            "create the ModuleUpdatePolicy first, or leave the field out to follow the platform's own",
        );
        findings.refuse(
            "MC-4",
            FIELD,
            CauseReason::NotFound,
            format!("the '{policy}' module policy does not exist{hint}"),
        );
        findings.missing(Kind::ModuleUpdatePolicy, policy);
    }
}

/// MC-5: settings are written for a version of their schema; `{}` is no settings.
fn version_beside_settings(case: &Case<'_>, findings: &mut Findings) {
    let has_settings = has_settings(case.value(&["settings"]));
    let has_version = case.value(&["version"]).is_some();
    if has_settings && !has_version {
        findings.refuse(
            "MC-5",
            "spec.version",
            CauseReason::Required,
            words::VERSION_REQUIRED.plain(),
        );
    } else if has_version && case.value(&["settings"]).is_none_or(Value::is_object) && !has_settings {
        findings.warn(
            "MC-5",
            "spec.version",
            "spec.version has no effect without spec.settings, defaults from the latest version of settings schema will be applied",
        );
    }
}

fn has_settings(settings: Option<&Value>) -> bool {
    settings
        .and_then(Value::as_object)
        .is_some_and(|settings| !settings.is_empty())
}

/// POL-1: the platform's own windows are judged like a policy's, also where no schema of settings is known.
fn platform_windows(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.settings.update.windows";
    let Some(value) = platform_value(case, PLATFORM_WINDOWS) else {
        return;
    };
    if let Some(list) = value.as_array() {
        windows::judge(FIELD, list, findings);
    }
    findings.remember_wrong();
    schema::judge_like_policy(&PLATFORM_WINDOWS[1..], FIELD, value, findings);
}

/// POL-1: the platform's own channel is one that exists.
fn platform_channel(case: &Case<'_>, findings: &mut Findings) {
    if let Some(value) = platform_value(case, PLATFORM_CHANNEL) {
        schema::judge_like_policy(
            &PLATFORM_CHANNEL[1..],
            "spec.settings.releaseChannel",
            value,
            findings,
        );
    }
}

fn platform_value<'a>(case: &Case<'a>, path: &[&str]) -> Option<&'a Value> {
    let value = case.value(path).filter(|value| !value.is_null());
    value.filter(|_| case.name() == names::PLATFORM_CONFIG)
}

/// MC-9: an experimental module must be allowed, and what a module requires must be on and fit.
fn enabling(case: &Case<'_>, findings: &mut Findings) {
    if !is_enabling(case) {
        return;
    }
    let Some(module) = case.world.get::<Module>(case.name()) else {
        return;
    };
    if module.properties.stage.as_deref() == Some(names::EXPERIMENTAL_STAGE) && !is_experiment_allowed(case) {
        findings.refuse(
            "MC-9",
            "spec.enabled",
            CauseReason::Forbidden,
            format!(
                "can't enable module \"{0}\": it is experimental, set allowExperimentalModules: true or list '{0}' in allowedExperimentalModules in the settings of ModuleConfig deckhouse",
                case.name()
            ),
        );
    }
    let requirements = module.properties.requirements.iter().flat_map(|all| &all.modules);
    for (parent, constraint) in requirements {
        requirement(case, parent, constraint, findings);
    }
}

fn is_enabling(case: &Case<'_>) -> bool {
    case.flag(ENABLED) == Some(true) && case.old_flag(ENABLED) != Some(true)
}

fn is_experiment_allowed(case: &Case<'_>) -> bool {
    let allows_all = case.world.platform_setting("allowExperimentalModules") == Some(&Value::Bool(true));
    let listed = case
        .world
        .platform_setting("allowedExperimentalModules")
        .and_then(Value::as_array);
    allows_all
        || listed
            .into_iter()
            .flatten()
            .any(|name| name.as_str() == Some(case.name()))
}

fn requirement(case: &Case<'_>, parent: &str, constraint: &str, findings: &mut Findings) {
    const FIELD: &str = "spec.enabled";
    let module = case.name();
    let Ok(requirement) = Requirement::parse(constraint) else {
        let message = format!(
            "module '{module}' requires module '{parent}' with the unreadable constraint '{constraint}': tell its author, it was not judged"
        );
        findings.warn("MC-9", FIELD, message);
        return;
    };
    if !case.world.is_on(parent) {
        if !requirement.optional {
            let message = format!(
                "can't enable module \"{module}\": it requires module '{parent}' ({}), which is off, enable '{parent}' first",
                requirement.constraint
            );
            findings.refuse("MC-9", FIELD, CauseReason::Forbidden, message);
        }
        return;
    }
    let installed = case
        .world
        .get::<Module>(parent)
        .and_then(|parent| parent.properties.version.as_deref());
    let is_overridden = case.world.has(Kind::ModulePullOverride, parent);
    let version = installed
        .filter(|_| !is_overridden)
        .and_then(|version| Version::parse(version).ok());
    match version.map(|version| version.without_prerelease()) {
        None => {
            let message = format!(
                "module '{module}' requires module '{parent}' ({}), whose version is not known yet: check it once it is installed",
                requirement.constraint
            );
            findings.warn("MC-9", FIELD, message);
        }
        Some(version) if !requirement.constraint.matches(&version) => {
            let message = format!(
                "can't enable module \"{module}\": it requires module '{parent}' in version {}, but {version} is installed, bring '{parent}' to such a version first",
                requirement.constraint
            );
            findings.refuse("MC-9", FIELD, CauseReason::Forbidden, message);
        }
        Some(_) => {}
    }
}

/// MC-10: of an exclusive group, one.
fn exclusive_group(case: &Case<'_>, findings: &mut Findings) {
    if !is_enabling(case) {
        return;
    }
    let Some(group) = case
        .world
        .get::<Module>(case.name())
        .and_then(|module| module.properties.exclusive_group.as_deref())
    else {
        return;
    };
    for rival in case
        .world
        .modules_of_group(group)
        .filter(|rival| *rival != case.name())
    {
        if case.world.is_on(rival) {
            findings.refuse(
                "MC-10",
                "spec.enabled",
                CauseReason::Forbidden,
                format!(
                    "can't enable module \"{}\" because different module \"{rival}\" with same exclusiveGroup {group} enabled: disable \"{rival}\" first",
                    case.name()
                ),
            );
        }
    }
}

/// MC-11, and who else is hurt when a module goes.
fn disabling(case: &Case<'_>, findings: &mut Findings) {
    if !was_on(case) || stays_on(case) {
        return;
    }
    let needed_by: Vec<&str> = case
        .world
        .modules_requiring(case.name())
        .filter(|module| case.world.is_on(module))
        .collect();
    if !needed_by.is_empty() {
        findings.warn(
            "MC-9",
            "spec.enabled",
            format!(
                "module '{}' is required by: {}; they stop with it",
                case.name(),
                needed_by.join(", ")
            ),
        );
    }
    let Some(module) = case.world.get::<Module>(case.name()) else {
        return;
    };
    let Some(options) = &module.properties.disable_options else {
        return;
    };
    let is_confirmed = case
        .current()
        .is_some_and(|parts| parts.says(annotation::ALLOW_DISABLING));
    if options.confirmation != Some(true) || is_confirmed {
        return;
    }
    let reason = options.message.as_deref().map(str::trim).unwrap_or_default();
    let stop = if reason.is_empty() || reason.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    let space = if reason.is_empty() { "" } else { " " };
    let message = format!(
        "{reason}{stop}{space}Please annotate ModuleConfig with `modules.deckhouse.io/allow-disabling=true` if you're sure that you want to disable the module."
    );
    if case.is_delete() {
        findings.forbid("MC-11", "spec.enabled", message);
    } else {
        findings.refuse("MC-11", "spec.enabled", CauseReason::Forbidden, message);
    }
}

/// Whether the module was on before: by the old config, or, where that said nothing, by the module manager.
fn was_on(case: &Case<'_>) -> bool {
    match case.old_flag(ENABLED) {
        Some(enabled) => enabled,
        None => case.world.is_running(case.name()),
    }
}

/// Whether it stays on: the new config says so, or says as little as the old one did.
fn stays_on(case: &Case<'_>) -> bool {
    if case.is_delete() {
        return false;
    }
    // A switch that is no boolean is for the schema to refuse.
    let is_judged = case.value(ENABLED).is_none_or(Value::is_boolean);
    !is_judged
        || case
            .flag(ENABLED)
            .unwrap_or_else(|| case.old_flag(ENABLED).is_none())
}

/// MC-12: the override goes first.
fn overridden(case: &Case<'_>, findings: &mut Findings) {
    if case.world.has(Kind::ModulePullOverride, case.name()) {
        findings.forbid(
            "MC-12",
            "metadata.name",
            format!(
                "delete the ModulePullOverride before deleting the module config: kubectl delete mpo {}",
                case.name()
            ),
        );
    }
}

/// MC-13: configuration may come before discovery.
fn unknown_module(case: &Case<'_>, findings: &mut Findings) {
    let name = case.name();
    let is_no_module = name == names::GLOBAL_CONFIG || name == names::PLATFORM_CONFIG;
    if is_no_module || case.world.has(Kind::Module, name) {
        return;
    }
    let hint = or_nearest(
        case.world.nearest::<Module>(name),
        "it is configured once a ModuleSource offers it, check the name",
    );
    findings.warn(
        "MC-13",
        "metadata.name",
        format!("the '{name}' module not found{hint}"),
    );
}

/// MC-14: of several sources, one must be named.
fn several_sources(case: &Case<'_>, findings: &mut Findings) {
    if case.flag(ENABLED) != Some(true) || case.text(&["source"]).is_some() {
        return;
    }
    let Some(module) = case.world.get::<Module>(case.name()) else {
        return;
    };
    let sources = &module.properties.available_sources;
    if sources.len() > 1 && !module.is_embedded() {
        findings.warn(
            "MC-14",
            "spec.source",
            format!(
                "module '{}' is offered by several sources: {}; name one in spec.source",
                case.name(),
                sources.join(", ")
            ),
        );
    }
}
