//! The standalone backend: a folder of files is the cluster. What the files say is applied as they change.

#[cfg(test)]
mod tests;

use super::apply::{self, Applied, By};
use super::defects;
use super::intake::{self, Key, Misfit};
use super::{Store, WriteError, folder};
use crate::api::{Kind, installation};
use crate::documents::{Changes, Document, Follower};
use crate::review::{Enforcement, Settler};
use crate::rules::{Finding, User};
use crate::telemetry::judging::Judging;
use crate::telemetry::readiness::Condition;
use crate::world::Object;
use jiff::Timestamp;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at: soon enough for somebody who saves a file and asks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Follows a folder and applies its documents to a world as `kubectl apply` would, judged as on the wire.
pub struct Standalone {
    follower: Follower,
    store: Arc<Store>,
    settler: Settler,
    judging: Judging,
    enforcement: Enforcement,
    /// Counts the changes of the world; what was refused is tried again after each.
    changes: watch::Receiver<u64>,
    user: String,
    entries: BTreeMap<Key, Entry>,
    /// What is wrong with documents that stand for no object, as it was last told.
    told: BTreeSet<String>,
    /// Why the folder cannot be listed, as it was last told.
    trouble: Option<String>,
}

// By hand: files hold credentials.
impl fmt::Debug for Standalone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standalone")
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// The files cannot be found. What they said before holds on.
#[derive(Debug, thiserror::Error)]
#[error("the folder of objects cannot be listed")]
pub struct FollowFolderError(#[source] io::Error);

/// An object that the files speak of, or spoke of when they were last applied.
struct Entry {
    /// What they say, or said last.
    document: Arc<Document>,
    said: Value,
    /// Whether they still say it.
    present: bool,
    /// What they said when it was last accepted.
    applied: Option<Value>,
    /// What was told of the refusal; empty while nothing is refused.
    told: String,
}

impl Entry {
    fn waits(&self) -> bool {
        !self.present || self.applied.as_ref() != Some(&self.said)
    }
}

/// What became of one try.
enum Outcome {
    /// It is as the files say; warnings are for the log.
    Done(Vec<Finding>),
    /// Somebody else wrote at the same time: once more.
    Again,
    Refused(Vec<Misfit>),
}

impl Standalone {
    /// Follows `dir` and writes through `store`, as Hatchway's own account in `namespace`, which is trusted (AD-8).
    /// Nothing is read before the first step.
    pub fn new(dir: impl Into<PathBuf>, store: Arc<Store>, namespace: &str, settler: Settler) -> Self {
        Self {
            follower: Follower::new(dir),
            changes: store.world().changes(),
            store,
            settler,
            judging: Judging::default(),
            enforcement: Enforcement::default(),
            user: installation::account(namespace),
            entries: BTreeMap::new(),
            told: BTreeSet::new(),
            trouble: None,
        }
    }

    /// Counts what is wrong with definitions of settings into these.
    #[must_use]
    pub fn counting(self, judging: Judging) -> Self {
        Self { judging, ..self }
    }

    /// Takes in what rules would refuse but only warn of (SV-6). The schema (AD-4) refuses all the same: an API server
    /// asks nobody about it.
    #[must_use]
    pub fn enforcing(self, enforcement: Enforcement) -> Self {
        let enforcement = enforcement.and_the_schema();
        Self { enforcement, ..self }
    }

    /// Looks at the files twice a second until `stop`, and tells what is refused on standard error, a line each.
    /// `synced` is met when all files have been looked at once, and missing as long as the folder cannot be listed.
    ///
    /// # Panics
    /// When a look does: a follower that lost its place must not go on, or every object would seem to have gone.
    pub async fn run(mut self, synced: Condition, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            self = match self.look(&synced).await {
                Some(back) => back,
                // The runtime is shutting down.
                None => return,
            };
        }
    }

    /// Looks once and tells, as [`Self::run`] does; for a first look before anybody asks. `None` when the runtime is
    /// shutting down.
    ///
    /// # Panics
    /// See [`Self::run`].
    pub async fn look(mut self, synced: &Condition) -> Option<Self> {
        let look = tokio::task::spawn_blocking(move || {
            let looked = self.step(Timestamp::now());
            if let Ok(lines) = &looked {
                tell(lines);
            }
            (self, looked)
        });
        let (mut back, looked) = match look.await {
            Ok(back) => back,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return None,
        };
        let trouble = looked.err().map(|error| format!("{error}: {}", error.0));
        match &trouble {
            None => synced.met(),
            Some(message) => synced.missing(message),
        }
        if trouble != back.trouble {
            tell(trouble.as_slice());
            back.trouble = trouble;
        }
        Some(back)
    }

    /// One look: applies what changed, and tries again what was refused when files or world have changed. Returns
    /// the lines to tell, `FILE:LINE: kind/name: message`, each once per change.
    ///
    /// # Errors
    /// [`FollowFolderError`]; nothing is applied then.
    pub fn step(&mut self, now: Timestamp) -> Result<Vec<String>, FollowFolderError> {
        let found = self.follower.look().map_err(FollowFolderError)?;
        // What is written from here on is a change of its own.
        let stirred = self.changes.has_changed().unwrap_or(false);
        if found.is_none() && !stirred {
            return Ok(Vec::new());
        }
        let mut lines = Vec::new();
        if let Some(changes) = found {
            self.take(changes, &mut lines);
        }
        let refused = self.settle(now);
        self.tell(refused, &mut lines);
        Ok(lines)
    }

    /// Takes in what the files say now.
    fn take(&mut self, changes: Changes, lines: &mut Vec<String>) {
        lines.extend(
            changes
                .problems
                .iter()
                .map(|problem| one_line(&problem.to_string())),
        );
        let mut told = BTreeSet::new();
        let mut found: BTreeMap<Key, Arc<Document>> = BTreeMap::new();
        for document in changes.documents {
            match intake::key(&document.value) {
                Ok(None) => {}
                Ok(Some(key)) => match found.get(&key) {
                    Some(first) => {
                        told.insert(line(&document, &key, &[folder::twice(first)]));
                    }
                    None => drop(found.insert(key, document)),
                },
                Err(misfit) => {
                    let line = document.place_of(&misfit.field).line;
                    told.insert(one_line(&format!("{}:{line}: {}", document.file, misfit.message)));
                }
            }
        }
        lines.extend(told.difference(&self.told).cloned());
        self.told = told;

        for (key, entry) in &mut self.entries {
            if entry.present && !found.contains_key(key) {
                entry.present = false;
                entry.told.clear();
            }
        }
        for (key, document) in found {
            let entry = self.entries.get_mut(&key);
            if let Some(entry) = &entry
                && entry.present
                && Arc::ptr_eq(&entry.document, &document)
            {
                continue;
            }
            let said = apply::said(key.0, &document.value);
            if let Some(entry) = entry {
                if !entry.present || entry.said != said {
                    entry.told.clear();
                }
                (entry.document, entry.said, entry.present) = (document, said, true);
            } else {
                let entry = Entry {
                    document,
                    said,
                    present: true,
                    applied: None,
                    told: String::new(),
                };
                self.entries.insert(key, entry);
            }
        }
    }

    /// Applies and removes until nothing more is accepted, so that neither the order of files nor that of the
    /// objects in them matters. Returns what is refused in the end.
    fn settle(&mut self, now: Timestamp) -> BTreeMap<Key, Vec<Misfit>> {
        loop {
            self.changes.mark_unchanged();
            let mut refused = BTreeMap::new();
            let mut moved = false;
            // Objects that others refer to come first and go last.
            let waiting = |present| {
                let entries = self.entries.iter();
                let waiting = entries.filter(move |(_, entry)| entry.present == present && entry.waits());
                waiting.map(|(key, _)| key.clone()).collect::<Vec<_>>()
            };
            let (come, go) = (waiting(true), waiting(false));
            for key in come.into_iter().chain(go.into_iter().rev()) {
                match self.try_one(&key, now) {
                    Outcome::Refused(misfits) => drop(refused.insert(key, misfits)),
                    Outcome::Again => moved = true,
                    Outcome::Done(warnings) => {
                        moved = true;
                        self.done(&key, &warnings);
                    }
                }
            }
            if !moved {
                return refused;
            }
        }
    }

    fn try_one(&self, key: &Key, now: Timestamp) -> Outcome {
        let Some(entry) = self.entries.get(key) else {
            return Outcome::Done(Vec::new());
        };
        let user = User {
            name: &self.user,
            trusted: true,
        };
        let by = By { user, now };
        let (kind, name) = key;
        let world = self.store.world();
        let live = world.read().object(*kind, name);
        if !entry.present {
            // What was never accepted is not ours to remove.
            let Some(live) = live.filter(|_| entry.applied.is_some()) else {
                return Outcome::Done(Vec::new());
            };
            let misfits = apply::removal(&live, by, &world.read(), &self.enforcement);
            if !misfits.is_empty() {
                return Outcome::Refused(misfits);
            }
            return written(self.store.delete(*kind, name, now), Vec::new());
        }
        if live.as_ref().is_some_and(is_being_deleted) {
            let message = "is being deleted, and is made again once its finalizers are gone";
            return Outcome::Refused(vec![Misfit::new(String::new(), message)]);
        }
        let before = entry.applied.as_ref();
        let judged = apply::judge(*kind, &entry.said, before, live.as_ref(), by, &world.read());
        match judged.and_then(|judged| {
            judged.conclude(|verdict| self.enforcement.soften(self.settler.settle(verdict)))
        }) {
            Err(misfits) => Outcome::Refused(misfits),
            Ok(Applied { object, warnings }) => {
                let write = match live {
                    None => self.store.create(&object, now),
                    Some(_) => self.store.update(&object),
                };
                written(write, warnings)
            }
        }
    }

    fn done(&mut self, key: &Key, warnings: &[Finding]) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let (kind, name) = (key.0, key.1.as_str());
        if !entry.present {
            self.entries.remove(key);
            return;
        }
        entry.applied = Some(entry.said.clone());
        if !std::mem::take(&mut entry.told).is_empty() {
            tracing::info!(%kind, name, "what was refused is accepted now");
        }
        if kind == Kind::ModuleSettingsDefinition
            && let Some(definition) = self.store.world().read().definition(name)
        {
            defects::tell(definition, Some(&entry.document), &self.judging);
        }
        for warning in warnings {
            let place = entry.document.place_of(&warning.field);
            let file = &entry.document.file;
            tracing::info!(%kind, name, %file, line = place.line, rule = warning.rule, "{}", warning.message);
        }
        for duplicate in entry.document.duplicates() {
            let (file, line, field) = (&entry.document.file, duplicate.place.line, &duplicate.path);
            tracing::info!(%kind, name, %file, line, field, "the field stands twice; the last one counts");
        }
    }

    /// Adds the lines about refusals that were not told yet.
    fn tell(&mut self, refused: BTreeMap<Key, Vec<Misfit>>, lines: &mut Vec<String>) {
        for (key, misfits) in refused {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            let message = joined(&misfits);
            if entry.told != message {
                lines.push(line(&entry.document, &key, &misfits));
                entry.told = message;
            }
        }
    }
}

fn written(result: Result<(), WriteError>, warnings: Vec<Finding>) -> Outcome {
    match result {
        Ok(()) => Outcome::Done(warnings),
        // The next try reads the object anew.
        Err(WriteError::Exists | WriteError::Missing | WriteError::Conflict) => Outcome::Again,
        Err(error @ WriteError::Shape) => Outcome::Refused(vec![Misfit::new("metadata", error.to_string())]),
    }
}

fn is_being_deleted(object: &Object) -> bool {
    object.metadata().deletion_timestamp.is_some()
}

/// `FILE:LINE: kind/name: message`, the line being that of the first field that is refused.
fn line(document: &Document, (kind, name): &Key, misfits: &[Misfit]) -> String {
    let field = misfits.first().map_or("", |misfit| misfit.field.as_str());
    let line = document.place_of(field).line;
    one_line(&format!(
        "{}:{line}: {kind}/{}: {}",
        document.file,
        shortened(name),
        joined(misfits)
    ))
}

/// All that is wrong, as the message of a refusal says it (AD-2).
fn joined(misfits: &[Misfit]) -> String {
    let parts = misfits.iter().map(|Misfit { field, message }| {
        if field.is_empty() {
            message.clone()
        } else {
            format!("{field}: {message}")
        }
    });
    parts.collect::<Vec<_>>().join("; ")
}

/// A name as a line shows it: one that an API server would take is shown whole.
fn shortened(name: &str) -> String {
    /// Most characters in the name of an object.
    const LONGEST: usize = 253;
    match name.char_indices().nth(LONGEST) {
        Some((cut, _)) => format!("{}…", &name[..cut]),
        None => name.to_owned(),
    }
}

/// Whatever a file says, what is told of it stays on one line and does nothing to a terminal.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

fn tell(lines: &[String]) {
    let mut out = io::stderr().lock();
    for line in lines {
        // With standard error closed there is nobody to tell.
        let _told = writeln!(out, "{line}");
    }
}
