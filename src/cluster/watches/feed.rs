//! One kind listed and then watched, for as long as the program runs.
//!
//! This is `kube::runtime::watcher` in its plain form, written out because that one cannot tell when a watch that failed
//! is open again (it reports nothing until an object changes), and reads an object before it can be known to be
//! readable.

use super::health::Health;
use super::mirror::Mirror;
use super::pace::Pace;
use crate::api::Kind;
use crate::cluster::read::{self, Raw};
use crate::cluster::trouble::Trouble;
use futures_util::TryStreamExt as _;
use kube::Client;
use kube::api::WatchParams;
use kube::core::{Request, WatchEvent};
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
                    if !trouble.cause.keeps_the_place() {
                        self.place = None;
                    }
                    self.health.trouble(self.kind, trouble);
                }
            }
            self.health.pause(pace.next()).await;
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
        let trouble = |error: &kube::Error| Trouble::of(error, "watch", kind);
        let seconds = fastrand::u32(WATCH_SECONDS);
        let parameters = WatchParams::default().timeout(seconds);
        let request = Request::new(read::path(kind))
            .watch(&parameters, &from)
            .map_err(|error| trouble(&kube::Error::BuildRequest(error)))?;
        let events = timeout(OPEN_PATIENCE, self.client.request_events::<Raw>(request))
            .await
            .map_err(|_| Trouble::silent("watch", kind, OPEN_PATIENCE))?
            .map_err(|error| trouble(&error))?;
        let mut events = pin!(events);
        self.health.up(kind);
        let patience = Duration::from_secs(seconds.into()) + IDLE_MARGIN;
        loop {
            let event = timeout(patience, events.try_next())
                .await
                .map_err(|_| Trouble::silent("watch", kind, patience))?
                .map_err(|error| Trouble::broken_off(&error, kind))?;
            let place = match event {
                None => return Ok(()),
                Some(WatchEvent::Added(raw) | WatchEvent::Modified(raw)) => self.mirror.changed(raw).await,
                Some(WatchEvent::Deleted(raw)) => self.mirror.deleted(&raw),
                Some(WatchEvent::Bookmark(bookmark)) => Some(bookmark.metadata.resource_version),
                Some(WatchEvent::Error(status)) => return Err(Trouble::answered(&status, "watch", kind)),
            };
            if let Some(place) = place.filter(|place| !place.is_empty()) {
                self.place = Some(place);
            }
        }
    }
}
