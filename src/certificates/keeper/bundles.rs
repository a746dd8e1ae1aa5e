//! The caBundles' part: what they hold, since when, and what is written where they lack something.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::ResourceExt;
use kube::runtime::events::{Event, EventType};
use rustls::pki_types::CertificateDer;
use tokio::time::Instant;

use super::Keeper;
use crate::certificates::calls::CallError;
use crate::certificates::carriers::{Carried, Carrier, Entry};
use crate::certificates::judgement::{Judgement, Known};
use crate::certificates::roots::Roots;
use crate::telemetry::trust::Object;

/// Repairs of one object in a row that are made at once; beyond it somebody writes against us, and we take turns.
const AT_ONCE: u32 = 3;
/// How long an object must have been left alone before it counts as quiet again.
const QUIET: Duration = Duration::from_mins(1);
/// The longest pause between two repairs of an object that somebody else keeps changing.
const LONGEST: Duration = Duration::from_secs(30);
/// How long an Event may take: it is for people, and nothing waits for it.
const EVENT_PATIENCE: Duration = Duration::from_secs(5);

/// Since when every place holds which certificate.
#[derive(Debug, Default)]
pub(super) struct Held(Vec<(CertificateDer<'static>, Instant)>);

impl Held {
    /// To be called whenever something may have changed.
    pub(super) fn look(&mut self, known: &[Known], now: Instant) {
        let mut places = entries(known);
        let Some(first) = places.next() else {
            self.0.clear();
            return;
        };
        let rest: Vec<&Entry> = places.collect();
        let everywhere = |certificate: &&CertificateDer<'static>| {
            rest.iter().all(|entry| entry.bundle.contains(certificate))
        };
        let since = |certificate: &CertificateDer<'static>| {
            let known = self.0.iter().find(|(known, _)| known == certificate);
            known.map_or(now, |(_, since)| *since)
        };
        let held = first.bundle.iter().filter(everywhere);
        self.0 = held
            .map(|certificate| (certificate.clone(), since(certificate)))
            .collect();
    }

    /// Whether every place has held `certificate` for that long; so it is where there is no place, and not before all is
    /// known.
    pub(super) fn all_for(&self, certificate: &CertificateDer<'_>, long: Duration, known: &[Known]) -> bool {
        if known.iter().any(Option::is_none) {
            return false;
        }
        let since = self.0.iter().find(|(known, _)| known == certificate);
        entries(known).next().is_none() || since.is_some_and(|(_, since)| since.elapsed() >= long)
    }
}

/// How many places hold `certificate`.
pub(super) fn knowing(certificate: &CertificateDer<'_>, known: &[Known]) -> usize {
    entries(known)
        .filter(|entry| entry.bundle.contains(certificate))
        .count()
}

fn entries(known: &[Known]) -> impl Iterator<Item = &Entry> {
    known
        .iter()
        .flatten()
        .flatten()
        .flat_map(|content| &content.entries)
}

/// When each object was repaired, so that two programs that write against each other do not flood an API server; and
/// what was told of it.
#[derive(Debug)]
pub(super) struct Repairs(Vec<Repair>);

#[derive(Clone, Debug, Default)]
struct Repair {
    last: Option<Instant>,
    in_a_row: u32,
    /// What it held when it was right.
    right: Option<Roots>,
    /// Whether it is told that it is wrong.
    told: bool,
}

impl Repairs {
    pub(super) fn new(carriers: usize) -> Self {
        Self(vec![Repair::default(); carriers])
    }
}

impl Repair {
    /// From when on the next one is fine.
    fn next(&self) -> Option<Instant> {
        let beyond = self.in_a_row.checked_sub(AT_ONCE)?;
        let pause = Duration::from_secs(1)
            .saturating_mul(1 << beyond.min(5))
            .min(LONGEST);
        self.last.map(|last| last + pause)
    }

    fn made(&mut self, now: Instant) {
        let quiet = self.last.is_none_or(|last| now - last > QUIET);
        self.in_a_row = if quiet { 1 } else { self.in_a_row.saturating_add(1) };
        self.last = Some(now);
    }
}

impl Keeper {
    /// What a watch or a write has told of a carrier. News that is older than what is known comes late and is nothing.
    pub(super) fn know(&mut self, number: usize, content: Option<Carried>) {
        let Some(known) = self.known.get_mut(number) else {
            return;
        };
        let version = |content: &Carried| content.resource_version.as_ref()?.parse::<u64>().ok();
        if let (Some(Some(known)), Some(new)) = (&known, &content)
            && known.uid == new.uid
            && version(new) < version(known)
        {
            return;
        }
        *known = Some(content);
    }

    /// Whether every place holds what is wanted, and nothing that must not be there.
    pub(super) fn all_hold(&self) -> bool {
        let Some(wanted) = &self.wanted else {
            return true;
        };
        let now = Instant::now();
        entries(&self.known).all(|entry| self.strangers.fits(entry, wanted, now))
    }

    /// Writes what is wanted to where it is not.
    pub(super) async fn keep_bundles(&mut self) -> Result<(), CallError> {
        let Some(wanted) = self.wanted.clone() else {
            return Ok(());
        };
        let mut failure = None;
        for number in 0..self.carriers.len() {
            let Some(Some(content)) = self.known[number].clone() else {
                continue;
            };
            let now = Instant::now();
            let repair = &mut self.repairs.0[number];
            let fits = |entry: &Entry| self.strangers.fits(entry, &wanted, now);
            if content.entries.iter().all(fits) {
                repair.right = Some(wanted.clone());
                continue;
            }
            if repair.next().is_some_and(|next| now < next) {
                continue;
            }
            match self.apply(number, &content, &wanted).await {
                Ok(()) => {}
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn apply(&mut self, number: usize, content: &Carried, wanted: &Roots) -> Result<(), CallError> {
        let carrier = self.carriers[number].clone();
        let now = Instant::now();
        let bundles = content
            .entries
            .iter()
            .map(|entry| self.strangers.bundle(entry, wanted, now));
        let bundles: Vec<Roots> = bundles.collect();
        let object = self.calls.apply(&carrier, content, &bundles).await?;
        let repair = &mut self.repairs.0[number];
        repair.made(Instant::now());
        // It was right before, nothing else was wanted since, and it was not one of us.
        let by_others = |(entry, bundle): (&Entry, &Roots)| !entry.ours && entry.bundle != *bundle;
        let overwritten =
            repair.right.as_ref() == Some(wanted) && content.entries.iter().zip(&bundles).any(by_others);
        repair.right = Some(wanted.clone());
        let object_label = Object {
            object: carrier.sort.name(),
        };
        self.trust.writes.get_or_create(&object_label).inc();
        self.know(number, Some(carrier.read(&object, &self.target)));
        if overwritten {
            let what = format!("the caBundle of {carrier} was overwritten; it was written back");
            self.mended("bundle", what.clone());
            self.event(&carrier, object.uid(), "CaBundleRepaired", what).await;
        } else {
            tracing::info!(object = %carrier, "the caBundle was written");
        }
        Ok(())
    }

    /// An Event for each object that has come to be wrong and was not mended.
    pub(super) async fn announce(&mut self, judgement: &Judgement) {
        for number in 0..self.carriers.len() {
            let wrong = judgement.wrong.get(number).and_then(|wrong| wrong.first());
            let was_told = std::mem::replace(&mut self.repairs.0[number].told, wrong.is_some());
            let Some(what) = wrong.filter(|_| !was_told) else {
                continue;
            };
            tracing::warn!(what, "a caller would not trust what is served");
            let carrier = self.carriers[number].clone();
            let uid = self.known[number]
                .iter()
                .flatten()
                .find_map(|content| content.uid.clone());
            self.event(&carrier, uid, "CaBundleMismatch", what.clone()).await;
        }
    }

    async fn event(&self, carrier: &Carrier, uid: Option<String>, reason: &str, note: String) {
        let resource = carrier.resource();
        let about = ObjectReference {
            api_version: Some(resource.api_version),
            kind: Some(resource.kind),
            name: Some(carrier.name.clone()),
            uid,
            ..ObjectReference::default()
        };
        let event = Event {
            type_: EventType::Warning,
            reason: reason.to_owned(),
            note: Some(note),
            action: "KeepCaBundle".to_owned(),
            secondary: None,
        };
        let published = tokio::time::timeout(EVENT_PATIENCE, self.events.publish(&event, &about)).await;
        if let Ok(Err(error)) = published {
            tracing::warn!(%error, "an event could not be made");
        }
    }
}
