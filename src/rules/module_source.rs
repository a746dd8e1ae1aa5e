//! Rules of ModuleSource.

use super::finding::Findings;
use super::rule::{CREATE, DELETE, Reads, Rule, WRITES};
use super::scan_interval::ScanInterval;
use super::{Case, CauseReason, label_name};
use crate::api::{ReleasePhase, names, words};
use crate::values::{CaBundle, DockerConfig, Repository};
use std::time::Duration;

const REPO: &[&str] = &["registry", "repo"];
const DOCKER_CFG: &[&str] = &["registry", "dockerCfg"];
const CA: &[&str] = &["registry", "ca"];
const SCHEME: &[&str] = &["registry", "scheme"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        on: CREATE,
        reads: &[Reads::Name],
        judge: name,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(REPO)],
        judge: repository,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(REPO), Reads::Body(DOCKER_CFG)],
        judge: docker_config,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(CA)],
        judge: certificates,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["scanInterval"])],
        judge: scan_interval,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["registry"])],
        judge: doubtful,
    },
    Rule {
        on: WRITES,
        reads: &[Reads::Body(&["releaseChannel"])],
        judge: release_channel,
    },
    Rule {
        on: DELETE,
        reads: &[Reads::Name],
        judge: removal,
    },
];

/// Below this people are warned: a scan asks once per module.
const SHORT_INTERVAL: Duration = Duration::from_secs(30);

/// MS-5 and MS-8.
fn name(case: &Case<'_>, findings: &mut Findings) {
    let reserved = ("MS-5", names::EMBEDDED_SOURCE, words::EMBEDDED_SOURCE_TAKEN);
    label_name::judge(case, reserved, findings);
}

/// MS-1.
fn repository(case: &Case<'_>, findings: &mut Findings) {
    if let Some(repo) = case.raw_text(REPO)
        && Repository::parse(repo).is_err()
    {
        findings.refuse(
            "MS-1",
            "spec.registry.repo",
            CauseReason::Invalid,
            words::REPOSITORY.about(repo),
        );
    }
}

/// MS-2: the credentials can be read and are for this registry.
fn docker_config(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.registry.dockerCfg";
    let Some(text) = case.text(DOCKER_CFG) else { return };
    let config = match DockerConfig::parse(text) {
        Ok(config) => config,
        Err(error) => {
            findings.refuse("MS-2", FIELD, CauseReason::Invalid, error.to_string());
            return;
        }
    };
    let Some(repo) = case.text(REPO) else { return };
    let Ok(repository) = Repository::parse(repo) else {
        return;
    };
    if config.credentials_for(repository.host()).is_none() {
        let hosts: Vec<&str> = config.hosts().collect();
        let known = if hosts.is_empty() {
            "no host".to_owned()
        } else {
            hosts.join(", ")
        };
        let message = format!(
            "\"{repo}\" credentials not found in the dockerCfg: it knows {known}, add an entry for '{}' to its auths",
            repository.host()
        );
        findings.refuse("MS-2", FIELD, CauseReason::NotFound, message);
    }
}

/// MS-3.
fn certificates(case: &Case<'_>, findings: &mut Findings) {
    const FIELD: &str = "spec.registry.ca";
    let Some(text) = case.text(CA) else { return };
    let bundle = match CaBundle::parse(text) {
        Ok(bundle) => bundle,
        Err(error) => {
            findings.refuse("MS-3", FIELD, CauseReason::Invalid, error.to_string());
            return;
        }
    };
    let now = case.now;
    for certificate in bundle.certificates() {
        let subject = certificate.subject();
        if certificate.not_after() < now {
            findings.warn(
                "MS-3",
                FIELD,
                format!(
                    "certificate '{subject}' in spec.registry.ca expired at {}: put its successor there",
                    certificate.not_after()
                ),
            );
        } else if certificate.not_before() > now {
            findings.warn(
                "MS-3",
                FIELD,
                format!(
                    "certificate '{subject}' in spec.registry.ca is not valid before {}",
                    certificate.not_before()
                ),
            );
        } else if !certificate.is_ca() {
            findings.warn(
                "MS-3",
                FIELD,
                format!("certificate '{subject}' in spec.registry.ca is no CA: only a server that shows this very certificate is trusted"),
            );
        }
    }
}

/// The interval, as MPO-3 judges it for overrides, without an upper bound.
fn scan_interval(case: &Case<'_>, findings: &mut Findings) {
    let bounds = ScanInterval {
        longest: Duration::MAX,
        short: (
            SHORT_INTERVAL,
            "for every module very often: 30s or more is kinder",
        ),
        rules: ("AD-4", "MS-4"),
        text: words::SOURCE_INTERVAL,
    };
    bounds.judge(case, findings);
}

/// MS-4: what works, but hardly as meant.
fn doubtful(case: &Case<'_>, findings: &mut Findings) {
    if case.text(SCHEME) == Some("HTTP") && case.text(DOCKER_CFG).is_some() {
        findings.warn(
            "MS-4",
            "spec.registry.scheme",
            "spec.registry.scheme HTTP sends the credentials in clear: use HTTPS, with spec.registry.ca where the certificate is your own",
        );
    }
    let Some(Ok(repository)) = case.text(REPO).map(Repository::parse) else {
        return;
    };
    let normalised = repository.normalised();
    let same = case.world.sources_of_repository(&normalised);
    let others: Vec<&str> = same.filter(|other| *other != case.name()).collect();
    if !others.is_empty() {
        findings.warn(
            "MS-4",
            "spec.registry.repo",
            format!(
                "another source has the same repo: {}; its modules are offered twice, and each config has to name a source",
                others.join(", ")
            ),
        );
    }
}

/// MS-4: a field that once had an effect.
fn release_channel(case: &Case<'_>, findings: &mut Findings) {
    if case.text(&["releaseChannel"]).is_some() {
        findings.warn(
            "MS-4",
            "spec.releaseChannel",
            "spec.releaseChannel is deprecated and ignored: set the channel in a ModuleUpdatePolicy",
        );
    }
}

/// MS-6 and MS-7: who will miss the source.
fn removal(case: &Case<'_>, findings: &mut Findings) {
    let source = case.name();
    let goes_by_force = case
        .current()
        .is_some_and(|parts| parts.says(names::annotation::FORCE_DELETE));
    let is_deployed = |name: &&str| case.world.release_phase(name) == Some(ReleasePhase::Deployed);
    let deployed: Vec<&str> = case
        .world
        .releases_of_source(source)
        .filter(is_deployed)
        .collect();
    if !deployed.is_empty() && !goes_by_force {
        findings.warn(
            "MS-6",
            "metadata.name",
            format!(
                "the source waits for its deployed releases: {}; delete them, or annotate the source with {}=true",
                deployed.join(", "),
                names::annotation::FORCE_DELETE
            ),
        );
    }
    let configs: Vec<&str> = case.world.configs_of_source(source).collect();
    if !configs.is_empty() {
        let message = format!(
            "module configs name this source: {}; name another one there",
            configs.join(", ")
        );
        findings.warn("MS-7", "metadata.name", message);
    }
    let overrides: Vec<&str> = case.world.overrides_of_source(source).collect();
    if !overrides.is_empty() {
        let message = format!("module pull overrides name this source: {}", overrides.join(", "));
        findings.warn("MS-7", "metadata.name", message);
    }
}
