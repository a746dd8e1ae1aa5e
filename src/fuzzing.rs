//! What fuzzers call, in the test suite over a corpus and by hand under libFuzzer (`fuzz/`). Each body takes any bytes
//! and fails only where something that always holds does not.

use crate::archive::{Limits, check_archive};
use crate::conversion::{Converter, ConverterOptions};
use crate::registry::{self, ImageReference, ModuleDefinition};
use crate::review::{Reviews, Told, Trusted};
use crate::rules::Skipped;
use crate::values::{
    Constraint, Day, DockerConfig, Interval, Repository, Requirement, TimeOfDay, Version, Window, Windows,
};
use crate::webhook::{Deadline, Path};
use crate::world::Shared;
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Instant;

/// A body by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 11] = [
    ("review", review),
    ("window", window),
    ("duration", duration),
    ("constraint", constraint),
    ("reference", reference),
    ("archive", archive),
    ("challenge", challenge),
    ("image", image),
    ("docker_config", docker_config),
    ("version_json", version_json),
    ("module_yaml", module_yaml),
];

struct Quiet;

impl Told for Quiet {
    fn unreadable_annotation(&self, _: &str) {}
    fn skipped(&self, _: &str, _: Skipped) {}
    fn would_refuse(&self, _: &'static str, _: &str, _: &[&'static str]) {}
}

/// A body that was posted: whatever it is, there is an answer in JSON, and mutation refuses nothing.
pub fn review(bytes: &[u8]) {
    let converter = Converter::new(ConverterOptions::default(), |_| {});
    let reviews = Reviews::new(Arc::new(Shared::default()), Trusted::default(), converter, Quiet);
    for path in Path::ALL {
        let deadline = Deadline::at(Instant::now());
        // In an empty world there are no settings to convert, and so nothing to wait for.
        let answer = reviews.answer_at_once(path, bytes, deadline).now_or_never();
        assert!(answer.is_some(), "waits");
        let Some(answer) = answer else { return };
        let said: Result<serde_json::Value, _> = serde_json::from_slice(&answer.body);
        assert!(said.is_ok(), "no JSON");
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{}", answer.status);
        if let (Path::Mutate, 200, Ok(said)) = (path, answer.status.as_u16(), said) {
            assert_eq!(said["response"]["allowed"], true);
        }
    }
}

/// `from`, `to` and days between spaces: a time reads back as it prints, and windows can be compared.
pub fn window(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut words = text.split(' ');
    let mut time = || words.next().and_then(|word| TimeOfDay::parse(word).ok());
    let (from, to) = (time(), time());
    for time in [from, to].into_iter().flatten() {
        assert_eq!(TimeOfDay::parse(&time.to_string()), Ok(time));
    }
    let days: Vec<Day> = words
        .filter_map(|word| Day::parse_ignoring_case(word).ok())
        .collect();
    if let (Some(from), Some(to)) = (from, to)
        && let Ok(window) = Window::new(from, to, &days)
    {
        let overlaps = Windows::new(vec![window.clone(), window]).overlaps();
        assert!(
            overlaps.iter().any(|overlap| overlap.duplicate),
            "a window is its own duplicate"
        );
    }
}

/// A duration reads back as it prints.
pub fn duration(bytes: &[u8]) {
    if let Ok(interval) = Interval::parse(&String::from_utf8_lossy(bytes)) {
        assert_eq!(Interval::parse(&interval.to_string()), Ok(interval));
    }
}

/// A constraint can be asked about any version, and a requirement is read wherever its constraint is.
pub fn constraint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(constraint) = Constraint::parse(&text) {
        for version in ["0.0.0", "1.2.3", "1.2.3-rc.1", "18446744073709551615.0.0"] {
            let version = Version::parse(version);
            assert!(version.is_ok_and(|version| {
                let _either = constraint.matches(&version);
                true
            }));
        }
        assert!(Requirement::parse(&text).is_ok());
    }
}

/// A repository reads back as it was written, and what is normal stays as it is. (A host that is known by its upper
/// case alone is none in lower case.)
pub fn reference(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(repository) = Repository::parse(&text) {
        assert_eq!(repository.to_string(), text);
        let normal = repository.normalised();
        if let Ok(again) = Repository::parse(&normal) {
            assert_eq!(again.normalised(), normal);
        }
    }
}

/// A layer: whatever it is, it is read or refused within its limits; where its headers are given the checksums that they
/// should have, too, or no change of a byte would come further than that. Packed it is the same layer.
pub fn archive(bytes: &[u8]) {
    let limits = Limits {
        unpacked: 1 << 20,
        entries: 1_000,
        ..Limits::default()
    };
    let _either = check_archive(bytes, limits);
    let mut repaired = bytes.to_vec();
    for block in repaired.chunks_exact_mut(512) {
        if block[257..262] == *b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
    let plain = check_archive(&repaired, limits);
    // What is packed already would be packed twice, and no archive.
    if repaired.get(257..262).is_none_or(|magic| magic != b"ustar") {
        return;
    }
    let packed = zstd::encode_all(&repaired[..], 1).map_err(|error| error.to_string());
    if let (Ok(count), Ok(packed)) = (&plain, packed) {
        assert!(
            *count <= 64_000,
            "folders that no entry names are bounded by depth"
        );
        assert_eq!(check_archive(&packed, limits).as_ref(), Ok(count));
    }
}

/// A `WWW-Authenticate` header: challenges come in the order of the header, and not without bound.
pub fn challenge(bytes: &[u8]) {
    assert!(registry::count_challenges(bytes) <= 16);
}

/// An image's reference: what was read is read again from its parts.
pub fn image(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(image) = text.parse::<ImageReference>() {
        let sign = if matches!(image.name, registry::Name::Tag(_)) {
            ':'
        } else {
            '@'
        };
        let again = format!("{}/{}{sign}{}", image.host, image.path, image.name).parse();
        assert!(
            again.is_ok_and(|again: ImageReference| again == image),
            "{text:?}"
        );
    }
}

/// A docker config: its hosts have credentials, which show themselves nowhere.
pub fn docker_config(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(config) = DockerConfig::parse(&text) {
        for host in config.hosts() {
            assert!(config.credentials_for(host).is_some(), "{host}");
        }
    }
}

/// `version.json`: a version that is read is one that can be a tag of a release.
pub fn version_json(bytes: &[u8]) {
    if let Ok(version) = registry::read_version(Some(bytes)) {
        assert_eq!(
            registry::parse_version(&format!("v{version}")).ok(),
            Some(version)
        );
    }
}

/// `module.yaml`: what is read is the same after it was written.
pub fn module_yaml(bytes: &[u8]) {
    if let Ok(definition) = ModuleDefinition::parse(bytes) {
        let written = serde_json::to_vec(&definition).unwrap_or_default();
        let again = ModuleDefinition::parse(&written);
        assert!(again.is_ok_and(|again| again == definition));
    }
}
