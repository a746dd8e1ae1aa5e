//! Metrics of the Lease: whether this replica writes to the cluster.

use super::metrics::{self, Reason, enter};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The handles. Cheap to clone: every clone counts into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Leading {
    /// See [`metrics::LEADER`].
    pub leader: Gauge,
    /// See [`metrics::LEASE_TRANSITIONS`].
    pub transitions: Family<Reason, Counter>,
}

impl Leading {
    /// The handles, entered into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let leading = Self::default();
        enter(registry, &metrics::LEADER, leading.leader.clone());
        enter(registry, &metrics::LEASE_TRANSITIONS, leading.transitions.clone());
        leading
    }
}
