//! Metrics of judging itself: settings and their conversions.

use super::metrics::{self, ByRule, Reason, enter};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The handles. Cheap to clone: every clone counts into the same numbers.
#[derive(Clone, Debug, Default)]
pub struct Judging {
    /// See [`metrics::SETTINGS_SKIPPED`].
    pub settings_skipped: Family<Reason, Counter>,
    /// See [`metrics::SETTINGS_CONVERSIONS`].
    pub settings_conversions: Family<Reason, Counter>,
    /// See [`metrics::SETTINGS_DEFINITION_PROBLEMS`].
    pub definition_problems: Family<Reason, Counter>,
    /// See [`metrics::IGNORED_ANNOTATIONS`].
    pub ignored_annotations: Counter,
    /// See [`metrics::WOULD_REFUSE`].
    pub would_refuse: Family<ByRule, Counter>,
    /// See [`metrics::INVALID_OBJECTS`].
    pub invalid_objects: Family<ByRule, Gauge>,
}

impl Judging {
    /// The handles, entered into `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let judging = Self::default();
        enter(
            registry,
            &metrics::SETTINGS_SKIPPED,
            judging.settings_skipped.clone(),
        );
        enter(
            registry,
            &metrics::SETTINGS_CONVERSIONS,
            judging.settings_conversions.clone(),
        );
        enter(
            registry,
            &metrics::SETTINGS_DEFINITION_PROBLEMS,
            judging.definition_problems.clone(),
        );
        enter(
            registry,
            &metrics::IGNORED_ANNOTATIONS,
            judging.ignored_annotations.clone(),
        );
        enter(registry, &metrics::WOULD_REFUSE, judging.would_refuse.clone());
        enter(
            registry,
            &metrics::INVALID_OBJECTS,
            judging.invalid_objects.clone(),
        );
        judging
    }
}
