//! Metrics of keeping callers' trust: the authority's Secret and the caBundles.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::metrics::{self, Reason, enter};

/// One label `object`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Object {
    /// What kind of object, in lower case.
    pub object: &'static str,
}

/// The handles. Cheap to clone: every clone counts into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// See [`metrics::CA_BUNDLE_MISMATCH`].
    pub mismatch: Family<Object, Gauge>,
    /// See [`metrics::CA_WRITES`].
    pub writes: Family<Object, Counter>,
    /// See [`metrics::CA_PROBLEMS`].
    pub problems: Family<Reason, Counter>,
}

impl Trust {
    /// The handles, entered into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let trust = Self::default();
        enter(registry, &metrics::CA_BUNDLE_MISMATCH, trust.mismatch.clone());
        enter(registry, &metrics::CA_WRITES, trust.writes.clone());
        enter(registry, &metrics::CA_PROBLEMS, trust.problems.clone());
        trust
    }
}
