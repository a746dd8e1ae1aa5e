//! How the watches fare: readiness until the first lists are complete, afterwards a note, metrics and the log.

use crate::api::Kind;
use crate::cluster::trouble::{Cause, Trouble};
use crate::telemetry::cluster::{ByKind, Following, Restart};
use crate::telemetry::readiness::{Condition, Note};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// An API server that has just started, or whose CRD has just been changed, is busy for a moment: not worth a line.
const SOON_OVER: Duration = Duration::from_secs(3);

/// What all watches tell. Clones share everything.
#[derive(Clone, Debug)]
pub(super) struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    synced: Condition,
    note: Note,
    following: Following,
    state: Mutex<State>,
    /// Counts how often the API server was found back.
    returns: watch::Sender<u64>,
    /// Counts how often it was presumed lost, though the watches heard of nothing.
    losses: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    rows: BTreeMap<Kind, Row>,
    /// Since when nobody answers, if that is so.
    away: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Row {
    /// Whether it has been listed once.
    listed: bool,
    trouble: Option<Trouble>,
    /// Since when there is trouble of that sort.
    since: Option<Instant>,
    /// What of it was told last.
    told: Option<Trouble>,
}

impl Health {
    pub(super) fn new(synced: Condition, note: Note, following: Following) -> Self {
        for kind in Kind::ALL {
            following.up.get_or_create(&label(kind)).set(0);
        }
        let health = Self(Arc::new(Inner {
            synced,
            note,
            following,
            state: Mutex::new(State {
                rows: Kind::ALL.map(|kind| (kind, Row::default())).into(),
                away: None,
            }),
            returns: watch::Sender::new(0),
            losses: watch::Sender::new(0),
        }));
        health.show(&health.state());
        health
    }

    /// The kind has been listed.
    pub(super) fn synced(&self, kind: Kind) {
        let mut state = self.state();
        let row = state.rows.entry(kind).or_default();
        row.listed = true;
        self.show(&state);
    }

    /// The kind is followed.
    pub(super) fn up(&self, kind: Kind) {
        self.0.following.up.get_or_create(&label(kind)).set(1);
        let mut state = self.state();
        let row = state.rows.entry(kind).or_default();
        (row.trouble, row.since) = (None, None);
        if row.told.take().is_some() {
            tracing::info!(%kind, "changes are followed again");
        }
        self.reached(&mut state);
        self.show(&state);
    }

    /// The API server ended the watch, as it does every few minutes.
    pub(super) fn closed(&self, kind: Kind) {
        self.count(kind, "closed");
    }

    /// The kind cannot be listed or watched; what is known of it stays.
    pub(super) fn trouble(&self, kind: Kind, trouble: Trouble) {
        self.count(kind, trouble.cause.as_str());
        let mut state = self.state();
        if matches!(trouble.cause, Cause::Expired | Cause::BrokenOff) {
            // What follows at once brings everything that was missed, or tells why it cannot.
            tracing::debug!(%kind, %trouble, "a watch begins anew");
            return;
        }
        self.0.following.up.get_or_create(&label(kind)).set(0);
        if trouble.cause == Cause::Unreachable {
            if state.away.is_none() {
                tracing::warn!(%trouble, "the API server is away: what is known is served, and it is called again");
                state.away = Some(Timestamp::now());
            }
        } else {
            self.reached(&mut state);
        }
        let row = state.rows.entry(kind).or_default();
        row.take(kind, trouble);
        self.show(&state);
    }

    /// Waits before the next try; not longer once the API server is found to be back.
    pub(super) async fn pause(&self, time: Duration) {
        let mut returns = self.0.returns.subscribe();
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            _ = returns.changed() => {}
        }
    }

    /// The API server does not answer any more: watches that wait for it are to be opened anew.
    pub(super) fn presume_lost(&self) {
        self.0.losses.send_modify(|count| *count += 1);
    }

    /// Changes whenever the API server is presumed lost.
    pub(super) fn losses(&self) -> watch::Receiver<u64> {
        self.0.losses.subscribe()
    }

    /// Somebody answered.
    fn reached(&self, state: &mut State) {
        if let Some(since) = state.away.take() {
            let seconds = Timestamp::now().duration_since(since).as_secs();
            tracing::info!(seconds, "the API server is back");
            self.0.returns.send_modify(|count| *count += 1);
        }
    }

    fn count(&self, kind: Kind, reason: &'static str) {
        let kind = kind.name();
        self.0
            .following
            .restarts
            .get_or_create(&Restart { kind, reason })
            .inc();
    }

    /// Brings what `/readyz` says in line.
    fn show(&self, state: &State) {
        match state.away {
            Some(since) => self.0.note.say(format!(
                "the API server does not answer since {since:.0}, what was known then is served"
            )),
            None => self.0.note.clear(),
        }
        let missing = state.rows.iter().filter(|(_, row)| !row.listed);
        let missing: Vec<_> = missing.collect();
        if missing.is_empty() {
            self.0.synced.met();
            return;
        }
        let mut parts: Vec<String> = missing
            .iter()
            .filter_map(|(_, row)| row.trouble.as_ref().map(Trouble::to_string))
            .collect();
        parts.dedup();
        let waiting: Vec<&str> = missing
            .iter()
            .filter(|(_, row)| row.trouble.is_none())
            .map(|(kind, _)| kind.plural())
            .collect();
        if !waiting.is_empty() {
            parts.push(format!("not listed yet: {}", waiting.join(", ")));
        }
        self.0.synced.missing(parts.join("; "));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    /// Keeps a trouble in mind, and tells it where it is new and lasts.
    fn take(&mut self, kind: Kind, trouble: Trouble) {
        let now = Instant::now();
        if self
            .trouble
            .as_ref()
            .is_none_or(|before| before.cause != trouble.cause)
        {
            self.since = Some(now);
        }
        let lasts = self.since.is_some_and(|since| now - since >= SOON_OVER);
        let is_told = match trouble.cause {
            // Told once for all kinds.
            Cause::Unreachable => false,
            Cause::Busy => lasts,
            _ => true,
        };
        if is_told && self.told.as_ref() != Some(&trouble) {
            tracing::warn!(%kind, %trouble, "changes are not followed; tried again");
            self.told = Some(trouble.clone());
        }
        self.trouble = Some(trouble);
    }
}

const fn label(kind: Kind) -> ByKind {
    ByKind { kind: kind.name() }
}
