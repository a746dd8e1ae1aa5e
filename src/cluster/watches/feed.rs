//! One kind listed and then watched, for as long as the program runs.
//!
//! This is `kube::runtime::watcher` in its plain form, written out because that one cannot tell when a watch that failed
//! is open again (it reports nothing until an object changes), and reads an object before it can be known to be
//! readable.

use super::health::Health;
use super::mirror::Mirror;
use super::pace::Pace;
use crate::api::Kind;
use crate::cluster::read::{self, Change};
use crate::cluster::trouble::{Cause, Trouble};
use futures_util::StreamExt as _;
use kube::Client;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long a page of a list may take.
const LIST_PATIENCE: Duration = Duration::from_secs(30);
/// How long the head of a watch's answer may take.
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// How long a watch lasts before it is opened anew, in seconds; the API server ends it. A different time for each, so
/// that the seven do not come together. 295 s is the most that kube's connections are silent.
const WATCH_SECONDS: std::ops::Range<u32> = 240..290;
/// How much longer than asked a silent watch is believed to live.
const IDLE_MARGIN: Duration = Duration::from_secs(5);
/// How soon it is tried again while the API server prepares the storage of a kind: a part of the 500 ms for which a
/// review waits for what is on its way (rule AD-5).
const PREPARING: Duration = Duration::from_millis(100);
/// A watch that lived as long was well: the next one is opened without delay.
const WELL: Duration = Duration::from_secs(2);

/// The list and the watch of one kind.
pub(super) struct Feed {
    client: Client,
    kind: Kind,
    mirror: Mirror,
    health: Health,
    /// The resource version up to which everything is known; `None` when a list is due.
    place: Option<String>,
}

impl Feed {
    pub(super) const fn new(client: Client, kind: Kind, mirror: Mirror, health: Health) -> Self {
        Self {
            client,
            kind,
            mirror,
            health,
            place: None,
        }
    }

    /// Follows until it is dropped.
    pub(super) async fn run(mut self) {
        let mut pace = Pace::default();
        loop {
            let begun = Instant::now();
            let mut preparing = false;
            let end = self.round().await;
            if begun.elapsed() >= WELL {
                pace.reset();
            }
            match end {
                Ok(()) => {
                    self.health.closed(self.kind);
                    if begun.elapsed() >= WELL {
                        continue;
                    }
                }
                Err(trouble) => {
                    preparing = trouble.cause == Cause::Preparing;
                    if !trouble.cause.keeps_the_place() {
                        self.place = None;
                    }
                    self.health.trouble(self.kind, trouble);
                }
            }
            // Objects can be made while their watch cannot be had yet: whoever names one in a review must not be told for
            // long that it does not exist.
            let pause = if preparing { PREPARING } else { pace.next() };
            self.health.pause(pause).await;
        }
    }

    /// A list where one is due, and a watch to its end.
    async fn round(&mut self) -> Result<(), Trouble> {
        let place = match self.place.take() {
            Some(place) => place,
            None => self.list().await?,
        };
        self.place = Some(place.clone());
        self.watch(place).await
    }

    /// Brings all objects, and answers the resource version of the list.
    async fn list(&mut self) -> Result<String, Trouble> {
        self.mirror.list_begins();
        let mut token = None;
        loop {
            let page = read::page(&self.client, self.kind, token, LIST_PATIENCE).await?;
            self.mirror.listed(page.items).await;
            token = page.metadata.continue_.filter(|token| !token.is_empty());
            if token.is_none() {
                self.mirror.list_ends();
                self.health.synced(self.kind);
                return Ok(page.metadata.resource_version.unwrap_or_default());
            }
        }
    }

    async fn watch(&mut self, from: String) -> Result<(), Trouble> {
        let kind = self.kind;
        let mut losses = self.health.losses();
        let seconds = fastrand::u32(WATCH_SECONDS);
        let changes = read::watch(&self.client, kind, &from, seconds, OPEN_PATIENCE).await?;
        let mut changes = pin!(changes);
        self.health.up(kind);
        let patience = Duration::from_secs(seconds.into()) + IDLE_MARGIN;
        loop {
            let change = tokio::select! {
                change = timeout(patience, changes.next()) => change.map_err(|_| Trouble::lost(kind))?,
                _ = losses.changed() => return Err(Trouble::lost(kind)),
            };
            let place = match change.transpose()? {
                None => return Ok(()),
                Some(Change::Put(raw)) => self.mirror.changed(raw).await,
                Some(Change::Gone(raw)) => self.mirror.deleted(&raw),
                Some(Change::Nothing(place)) => Some(place),
            };
            if let Some(place) = place.filter(|place| !place.is_empty()) {
                self.place = Some(place);
            }
        }
    }
}
