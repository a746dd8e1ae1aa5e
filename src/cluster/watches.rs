//! A world that follows an API server: one watch for each kind, each on its own, so that one that has trouble holds up
//! no other. What was known stays known while the API server is away.
//!
//! ```text
//! API server ─ list, watch ─ Feed ─ Mirror ─ World
//!                             └──── Health ─ readiness, metrics, log
//! ```

mod feed;
mod health;
mod mirror;
mod pace;
mod pulse;
#[cfg(test)]
mod tests;

use crate::api::Kind;
use crate::telemetry::cluster::Following;
use crate::telemetry::judging::Judging;
use crate::telemetry::readiness::{Condition, Note};
use crate::world::Shared;
use feed::Feed;
use health::Health;
use kube::Client;
use mirror::Mirror;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Where watches tell how they fare.
#[derive(Clone, Debug)]
pub struct Outlets {
    /// Met once every kind has been listed, for good: what is known is served while the API server is away.
    pub synced: Condition,
    /// Says since when the API server does not answer.
    pub note: Note,
    /// Metrics of the watches.
    pub following: Following,
    /// Where defects of settings definitions are counted.
    pub judging: Judging,
}

/// Fills `world` from an API server and follows it until `stop`. Returns at once: objects stored in an older version
/// can only be listed once this very process answers their conversion.
pub fn follow(client: Client, world: &Arc<Shared>, outlets: Outlets, stop: &CancellationToken) {
    let Outlets {
        synced,
        note,
        following,
        judging,
    } = outlets;
    let health = Health::new(synced, note, following.clone());
    for kind in Kind::ALL {
        let mirror = Mirror::new(kind, Arc::clone(world), following.clone(), judging.clone());
        let feed = Feed::new(client.clone(), kind, mirror, health.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(feed.run()));
    }
    tokio::spawn(stop.clone().run_until_cancelled_owned(pulse::run(client, health)));
}
