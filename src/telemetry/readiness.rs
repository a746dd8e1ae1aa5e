//! Whether this replica should get requests: named conditions that other rooms set, and probes that are run when
//! somebody asks (rule SV-1).

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::sync::watch;

/// How long the result of a probe is good: `/readyz` is open to everybody, a probe costs a handshake.
const PROBE_KEPT: Duration = Duration::from_secs(1);
/// How long a probe may take before it counts as failed: under the kubelet's usual patience of a few seconds.
const PROBE_PATIENCE: Duration = Duration::from_secs(2);

type ProbeFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// All that must hold before this replica is ready. Cheap to clone, clones share everything.
#[derive(Clone, Default)]
pub struct Readiness {
    entries: Arc<Mutex<Vec<Entry>>>,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readiness").finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Entry {
    Condition(&'static str, Condition),
    Probe(&'static str, Arc<Probe>),
    Note(Note),
}

struct Probe {
    run: Box<dyn Fn() -> ProbeFuture + Send + Sync>,
    last: tokio::sync::Mutex<Option<(Instant, Result<(), String>)>>,
}

/// The handle of one condition, for the room that knows whether it holds.
#[derive(Clone, Debug)]
pub struct Condition(Arc<watch::Sender<Option<String>>>);

impl Condition {
    fn new(missing: impl Into<String>) -> Self {
        Self(Arc::new(watch::Sender::new(Some(missing.into()))))
    }

    /// The condition holds.
    pub fn met(&self) {
        self.0.send_replace(None);
    }

    /// The condition does not hold; `what` says what is missing.
    pub fn missing(&self, what: impl Into<String>) {
        self.0.send_replace(Some(what.into()));
    }

    /// Waits until it holds, for those who have nothing to do before.
    pub async fn until_met(&self) {
        let mut states = self.0.subscribe();
        // The sender lives as long as `self`, so this does not end otherwise.
        let _met = states.wait_for(Option::is_none).await;
    }

    fn state(&self) -> Option<String> {
        self.0.borrow().clone()
    }
}

/// The handle of a note: something that whoever reads `/readyz` should know, and that takes nothing from being ready.
#[derive(Clone, Debug, Default)]
pub struct Note(Arc<Mutex<Option<String>>>);

impl Note {
    /// Says something, in place of what was said before.
    pub fn say(&self, text: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text.into());
    }

    /// There is nothing to say any more.
    pub fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn text(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One line of a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which condition.
    pub name: &'static str,
    /// Whether it holds.
    pub ready: bool,
    /// What is missing, if it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
}

/// What `/readyz` answers.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether all conditions hold.
    pub ready: bool,
    /// Each condition, in the order in which they were entered.
    pub conditions: Vec<Line>,
    /// What else there is to know; none of it takes from being ready.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Readiness {
    /// Enters a condition that does not hold yet; `missing` says what it waits for.
    pub fn condition(&self, name: &'static str, missing: impl Into<String>) -> Condition {
        let condition = Condition::new(missing);
        self.enter(Entry::Condition(name, condition.clone()));
        condition
    }

    /// Enters a note that says nothing yet.
    pub fn note(&self) -> Note {
        let note = Note::default();
        self.enter(Entry::Note(note.clone()));
        note
    }

    /// Enters a probe: something that is tried out (at most once a second) whenever somebody asks.
    pub fn probe<F, P>(&self, name: &'static str, run: P)
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
        P: Fn() -> F + Send + Sync + 'static,
    {
        let run = Box::new(move || Box::pin(run()) as ProbeFuture);
        self.enter(Entry::Probe(
            name,
            Arc::new(Probe {
                run,
                last: tokio::sync::Mutex::new(None),
            }),
        ));
    }

    /// Looks at every condition and runs the probes.
    pub async fn report(&self) -> Report {
        let entries = self
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut conditions = Vec::with_capacity(entries.len());
        let mut notes = Vec::new();
        for entry in entries {
            let (name, missing) = match entry {
                Entry::Condition(name, condition) => (name, condition.state()),
                Entry::Probe(name, probe) => (name, probe.result().await.err()),
                Entry::Note(note) => {
                    notes.extend(note.text());
                    continue;
                }
            };
            conditions.push(Line {
                name,
                ready: missing.is_none(),
                missing,
            });
        }
        Report {
            ready: conditions.iter().all(|line| line.ready),
            conditions,
            notes,
        }
    }

    fn enter(&self, entry: Entry) {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(entry);
    }
}

impl Probe {
    async fn result(&self) -> Result<(), String> {
        let mut last = self.last.lock().await;
        if let Some((when, result)) = last.as_ref()
            && when.elapsed() < PROBE_KEPT
        {
            return result.clone();
        }
        let result = tokio::time::timeout(PROBE_PATIENCE, (self.run)())
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PROBE_PATIENCE.as_secs())));
        *last = Some((Instant::now(), result.clone()));
        result
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn is_ready_when_every_condition_is_met_and_names_what_is_missing() {
        let readiness = Readiness::default();
        let stores = readiness.condition("stores", "module sources are not synced");
        readiness.probe("port", || async { Ok(()) });

        let report = readiness.report().await;
        assert!(!report.ready);
        assert_eq!(
            serde_json::to_string(&report.conditions).unwrap(),
            r#"[{"name":"stores","ready":false,"missing":"module sources are not synced"},{"name":"port","ready":true}]"#
        );

        stores.met();
        assert!(readiness.report().await.ready);
        stores.missing("the server is draining");
        assert!(!readiness.report().await.ready);
    }

    #[tokio::test]
    async fn a_note_takes_nothing_from_being_ready() {
        let readiness = Readiness::default();
        let note = readiness.note();
        let body = async || serde_json::to_string(&readiness.report().await).unwrap();
        assert_eq!(body().await, r#"{"ready":true,"conditions":[]}"#);
        note.say("nobody answers");
        assert_eq!(
            body().await,
            r#"{"ready":true,"conditions":[],"notes":["nobody answers"]}"#
        );
        note.clear();
        assert_eq!(body().await, r#"{"ready":true,"conditions":[]}"#);
    }

    #[tokio::test]
    async fn asks_a_probe_at_most_once_a_second() {
        let asked = Arc::new(AtomicUsize::new(0));
        let readiness = Readiness::default();
        let count = asked.clone();
        readiness.probe("port", move || {
            count.fetch_add(1, Ordering::SeqCst);
            async { Err("closed".to_owned()) }
        });
        for _ in 0..3 {
            assert!(!readiness.report().await.ready);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}
