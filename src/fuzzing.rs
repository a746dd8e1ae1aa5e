//! What fuzzers call, in the test suite over a corpus and by hand under libFuzzer (`fuzz/`). Each body takes any bytes
//! and fails only where something that always holds does not.

use crate::conversion::{Converter, ConverterOptions};
use crate::review::{Reviews, Told, Trusted};
use crate::rules::Skipped;
use crate::values::{
    Constraint, Day, Interval, Repository, Requirement, TimeOfDay, Version, Window, Windows,
};
use crate::webhook::{Deadline, Path};
use crate::world::Shared;
use futures_util::FutureExt as _;
use std::sync::Arc;
use std::time::Instant;

/// A body by the name of its corpus.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 5] = [
    ("review", review),
    ("window", window),
    ("duration", duration),
    ("constraint", constraint),
    ("reference", reference),
];

struct Quiet;

impl Told for Quiet {
    fn unreadable_annotation(&self, _: &str) {}
    fn skipped(&self, _: &str, _: Skipped) {}
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
