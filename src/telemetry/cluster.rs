//! Metrics of following a cluster: its watches, and the objects that they bring.

use super::metrics::{self, enter};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// One label `kind`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByKind {
    /// The kind's name, such as `ModuleConfig`.
    pub kind: &'static str,
}

/// The labels of [`metrics::WATCH_RESTARTS`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Restart {
    /// The kind's name.
    pub kind: &'static str,
    /// Why the watch ended, from a fixed set.
    pub reason: &'static str,
}

/// The handles. Cheap to clone: every clone counts into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Following {
    /// See [`metrics::WATCH_UP`].
    pub up: Family<ByKind, Gauge>,
    /// See [`metrics::WATCH_RESTARTS`].
    pub restarts: Family<Restart, Counter>,
    /// See [`metrics::WORLD_OBJECTS`].
    pub objects: Family<ByKind, Gauge>,
    /// See [`metrics::UNREADABLE_OBJECTS`].
    pub unreadable: Family<ByKind, Gauge>,
}

impl Following {
    /// The handles, entered into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let following = Self::default();
        enter(registry, &metrics::WATCH_UP, following.up.clone());
        enter(registry, &metrics::WATCH_RESTARTS, following.restarts.clone());
        enter(registry, &metrics::WORLD_OBJECTS, following.objects.clone());
        enter(
            registry,
            &metrics::UNREADABLE_OBJECTS,
            following.unreadable.clone(),
        );
        following
    }
}
