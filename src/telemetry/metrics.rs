//! Every metric that Hatchway has, in one table, and the handles through which the other rooms count.
//!
//! Labels come from fixed sets (`&'static str`): no name, message or address ever becomes one, so the number of
//! series is bounded and looking a handle up allocates nothing.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use super::process::Process;

/// What kind of number a metric is, in Prometheus' terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket; `_bucket`, `_sum` and `_count` are added to its name.
    Histogram,
    /// Always 1, what it says stands in its labels; its name ends in `_info`.
    Info,
}

/// A row of [`METRICS`]: all that a reader of `/metrics` has to know about one metric.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// The name as it stands in `/metrics`.
    pub name: &'static str,
    /// What kind of number it is.
    pub kind: Kind,
    /// One sentence without a final full stop (the encoder adds it).
    pub help: &'static str,
    /// The label names, in order.
    pub labels: &'static [&'static str],
}

macro_rules! table {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $kind:ident, [$($label:literal),*], $help:literal;)*) => {
        $($(#[$doc])* pub const $id: Description =
            Description { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };)*

        /// Every metric of the program; the reference documentation is generated from it.
        pub const METRICS: &[Description] = &[$($id),*];
    };
}

table! {
    /// Requests on the admission port.
    REVIEW_REQUESTS = "hatchway_review_requests_total", Counter, ["path", "kind", "operation", "verdict"],
        "Requests answered on the admission port, by path, kind of the object, operation and verdict";
    /// Time to answer.
    REVIEW_DURATION = "hatchway_review_duration_seconds", Histogram, ["path"],
        "Time from the arrival of a request's head to its answer";
    /// Reviews being answered now.
    REVIEWS_IN_FLIGHT = "hatchway_reviews_in_flight", Gauge, [],
        "Reviews that are being answered now";
    /// Bytes of bodies held now.
    BODY_BYTES_IN_FLIGHT = "hatchway_body_bytes_in_flight", Gauge, [],
        "Bytes of request bodies that are held in memory now";
    /// What was turned away to stay alive.
    SHED = "hatchway_shed_total", Counter, ["reason"],
        "Requests and connections turned away because a limit was reached or the server is draining";
    /// Panics while answering.
    PANICS = "hatchway_panics_total", Counter, [],
        "Reviews that ended in a panic and were answered with status 500";
    /// Open connections.
    CONNECTIONS = "hatchway_connections", Gauge, [],
        "Connections that are open on the admission port now";
    /// Accepted connections.
    CONNECTIONS_ACCEPTED = "hatchway_connections_accepted_total", Counter, [],
        "Connections that were accepted on the admission port";
    /// Connections closed by a timeout.
    CONNECTION_TIMEOUTS = "hatchway_connection_timeouts_total", Counter, ["reason"],
        "Connections that the server closed because the client was too slow or silent";
    /// Handshakes that did not finish.
    HANDSHAKE_FAILURES = "hatchway_handshake_failures_total", Counter, ["reason"],
        "TLS handshakes that failed";
    /// When certificates end.
    CERTIFICATE_EXPIRY = "hatchway_certificate_expiry_timestamp_seconds", Gauge, ["certificate"],
        "Unix time at which a certificate expires";
    /// Reloads that went wrong.
    CERTIFICATE_RELOAD_FAILURES = "hatchway_certificate_reload_failures_total", Counter, ["certificate"],
        "Changed certificate files that could not be used, so that the former ones stay";
    /// Whether a reload is wrong now.
    CERTIFICATE_BROKEN = "hatchway_certificate_broken", Gauge, ["certificate"],
        "1 while the certificate files on disk cannot be used and older ones are served";
    /// caBundles that would not trust us.
    CA_BUNDLE_MISMATCH = "hatchway_ca_bundle_mismatch", Gauge, ["object"],
        "Entries of webhook configurations and definitions whose caBundle does not trust the certificate that is served";
    /// Writes that keep the trust.
    CA_WRITES = "hatchway_ca_writes_total", Counter, ["object"],
        "Writes of the authority's Secret and of caBundles; at rest there are none";
    /// What was wrong with the trust.
    CA_PROBLEMS = "hatchway_ca_problems_total", Counter, ["reason"],
        "Troubles with the authority's Secret and caBundles that were found and dealt with, or tried again";
    /// Settings that were not judged to the end.
    SETTINGS_SKIPPED = "hatchway_settings_skipped_total", Counter, ["reason"],
        "Parts of a module's settings definition that could not be judged by, or not in time";
    /// Conversions of settings.
    SETTINGS_CONVERSIONS = "hatchway_settings_conversions_total", Counter, ["reason"],
        "Conversions of settings between versions, by what came of them";
    /// Defects of settings definitions.
    SETTINGS_DEFINITION_PROBLEMS = "hatchway_settings_definition_problems_total", Counter, ["reason"],
        "Defects that were found in settings definitions when they were loaded";
    /// Annotations that were ignored.
    IGNORED_ANNOTATIONS = "hatchway_conversion_ignored_annotations_total", Counter, [],
        "Objects whose annotation with v1alpha1's fields could not be read in a conversion";
    /// Whether a kind is followed.
    WATCH_UP = "hatchway_watch_up", Gauge, ["kind"],
        "1 while the API server tells of changes of a kind, 0 while it does not and what was known is served";
    /// Watches that ended.
    WATCH_RESTARTS = "hatchway_watch_restarts_total", Counter, ["kind", "reason"],
        "Watches of a kind that ended and were begun again, by why they ended";
    /// Objects that are known.
    WORLD_OBJECTS = "hatchway_world_objects", Gauge, ["kind"],
        "Objects of a kind that reviews are judged against";
    /// Objects that cannot be read.
    UNREADABLE_OBJECTS = "hatchway_unreadable_objects", Gauge, ["kind"],
        "Objects of a kind that exist but do not have the shape of their kind";
    /// Whether this replica writes to the cluster.
    LEADER = "hatchway_leader", Gauge, [],
        "1 while this replica holds the Lease and writes to the cluster";
    /// Terms that began and ended.
    LEASE_TRANSITIONS = "hatchway_lease_transitions_total", Counter, ["reason"],
        "Beginnings and ends of this replica's right to write to the cluster";
    /// Refusals that only warned.
    WOULD_REFUSE = "hatchway_would_refuse_total", Counter, ["kind", "rule"],
        "Reviews that a rule would have refused, had it not been told to warn only";
    /// What is wrong in the world as it is.
    INVALID_OBJECTS = "hatchway_invalid_objects", Gauge, ["kind", "rule"],
        "Objects in the world that would be refused if they were made now, by the rule that refuses";
    /// The build.
    BUILD_INFO = "hatchway_build_info", Info, ["version"],
        "The version of the running binary";
    /// Start of the process.
    PROCESS_START = "process_start_time_seconds", Gauge, [],
        "Unix time at which the process started";
    /// Memory of the process.
    PROCESS_MEMORY = "process_resident_memory_bytes", Gauge, [],
        "Memory of the process that is resident";
    /// Open files of the process.
    PROCESS_FDS = "process_open_fds", Gauge, [],
        "File descriptors that the process has open";
}

/// Latency buckets in seconds: a review takes tens of microseconds, and an API server waits at most 30 s for a
/// webhook (`timeoutSeconds`), so the first bucket ends at 50 µs and the last at 30 s.
pub const DURATION_BUCKETS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0, 30.0,
];

/// The labels of [`REVIEW_REQUESTS`].
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Review {
    /// `validate`, `mutate`, `convert`, or `other` for a path that is none of them.
    pub path: &'static str,
    /// Kind of the object, `none` where the request did not get that far.
    pub kind: &'static str,
    /// Operation of the review, `none` where the request did not get that far.
    pub operation: &'static str,
    /// What became of it.
    pub verdict: &'static str,
}

/// One label `path`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByPath {
    /// The path's label.
    pub path: &'static str,
}

/// One label `reason`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Reason {
    /// Why, from a fixed set.
    pub reason: &'static str,
}

/// Labels `kind` and `rule`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct ByRule {
    /// Kind of the object.
    pub kind: &'static str,
    /// The rule's number, from a fixed set.
    pub rule: &'static str,
}

/// One label `certificate`.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Certificate {
    /// Which certificate: `serving`, `authority` or `client-ca`.
    pub certificate: &'static str,
}

/// The handles. Cheap to clone: every clone counts into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// See [`REVIEW_REQUESTS`].
    pub review_requests: Family<Review, Counter>,
    /// See [`REVIEW_DURATION`].
    pub review_duration: Family<ByPath, Histogram, fn() -> Histogram>,
    /// See [`REVIEWS_IN_FLIGHT`].
    pub reviews_in_flight: Gauge,
    /// See [`BODY_BYTES_IN_FLIGHT`].
    pub body_bytes_in_flight: Gauge,
    /// See [`SHED`].
    pub shed: Family<Reason, Counter>,
    /// See [`PANICS`].
    pub panics: Counter,
    /// See [`CONNECTIONS`].
    pub connections: Gauge,
    /// See [`CONNECTIONS_ACCEPTED`].
    pub connections_accepted: Counter,
    /// See [`CONNECTION_TIMEOUTS`].
    pub connection_timeouts: Family<Reason, Counter>,
    /// See [`HANDSHAKE_FAILURES`].
    pub handshake_failures: Family<Reason, Counter>,
    /// See [`CERTIFICATE_EXPIRY`].
    pub certificate_expiry: Family<Certificate, Gauge>,
    /// See [`CERTIFICATE_RELOAD_FAILURES`].
    pub certificate_reload_failures: Family<Certificate, Counter>,
    /// See [`CERTIFICATE_BROKEN`].
    pub certificate_broken: Family<Certificate, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            review_requests: Family::default(),
            review_duration: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            reviews_in_flight: Gauge::default(),
            body_bytes_in_flight: Gauge::default(),
            shed: Family::default(),
            panics: Counter::default(),
            connections: Gauge::default(),
            connections_accepted: Counter::default(),
            connection_timeouts: Family::default(),
            handshake_failures: Family::default(),
            certificate_expiry: Family::default(),
            certificate_reload_failures: Family::default(),
            certificate_broken: Family::default(),
        }
    }
}

impl Metrics {
    /// The handles, entered into `registry` together with what is known of the process itself.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        enter(registry, &REVIEW_REQUESTS, metrics.review_requests.clone());
        enter(registry, &REVIEW_DURATION, metrics.review_duration.clone());
        enter(registry, &REVIEWS_IN_FLIGHT, metrics.reviews_in_flight.clone());
        enter(
            registry,
            &BODY_BYTES_IN_FLIGHT,
            metrics.body_bytes_in_flight.clone(),
        );
        enter(registry, &SHED, metrics.shed.clone());
        enter(registry, &PANICS, metrics.panics.clone());
        enter(registry, &CONNECTIONS, metrics.connections.clone());
        enter(
            registry,
            &CONNECTIONS_ACCEPTED,
            metrics.connections_accepted.clone(),
        );
        enter(
            registry,
            &CONNECTION_TIMEOUTS,
            metrics.connection_timeouts.clone(),
        );
        enter(registry, &HANDSHAKE_FAILURES, metrics.handshake_failures.clone());
        enter(registry, &CERTIFICATE_EXPIRY, metrics.certificate_expiry.clone());
        enter(
            registry,
            &CERTIFICATE_RELOAD_FAILURES,
            metrics.certificate_reload_failures.clone(),
        );
        enter(registry, &CERTIFICATE_BROKEN, metrics.certificate_broken.clone());
        enter(
            registry,
            &BUILD_INFO,
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register_collector(Box::new(Process::now()));
        metrics
    }
}

/// Enters a metric under the name and help of its row. For the rooms that bring metrics of their own, too.
pub fn enter(registry: &mut Registry, row: &Description, metric: impl Metric) {
    registry.register(bare(row), row.help, metric);
}

/// The name without the suffix that the encoder adds by the metric's kind.
pub(super) fn bare(row: &Description) -> &'static str {
    let suffix = match row.kind {
        Kind::Counter => "_total",
        Kind::Info => "_info",
        Kind::Gauge | Kind::Histogram => "",
    };
    row.name.strip_suffix(suffix).unwrap_or(row.name)
}

/// What `/metrics` answers: OpenMetrics text.
pub fn render(registry: &Registry) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    encode(&mut text, registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_served_stands_in_the_table_and_the_other_way_round() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let judging = crate::telemetry::judging::Judging::register(&mut registry);
        let leading = crate::telemetry::leading::Leading::register(&mut registry);
        leading
            .transitions
            .get_or_create(&Reason { reason: "gained" })
            .inc();
        for family in [
            &judging.settings_skipped,
            &judging.settings_conversions,
            &judging.definition_problems,
        ] {
            family.get_or_create(&Reason { reason: "any" }).inc();
        }
        let following = crate::telemetry::cluster::Following::register(&mut registry);
        let kind = crate::telemetry::cluster::ByKind { kind: "any" };
        for gauge in [&following.up, &following.objects, &following.unreadable] {
            gauge.get_or_create(&kind).set(1);
        }
        following
            .restarts
            .get_or_create(&crate::telemetry::cluster::Restart {
                kind: "any",
                reason: "any",
            })
            .inc();
        let trust = crate::telemetry::trust::Trust::register(&mut registry);
        let object = crate::telemetry::trust::Object { object: "secret" };
        trust.mismatch.get_or_create(&object).set(0);
        trust.writes.get_or_create(&object).inc();
        trust.problems.get_or_create(&Reason { reason: "call" }).inc();
        let by_rule = ByRule {
            kind: "ModuleConfig",
            rule: "MC-2",
        };
        judging.would_refuse.get_or_create(&by_rule).inc();
        judging.invalid_objects.get_or_create(&by_rule).set(1);
        // A family without series is not encoded: touch each of them.
        metrics
            .review_requests
            .get_or_create(&Review {
                path: "validate",
                kind: "none",
                operation: "none",
                verdict: "allowed",
            })
            .inc();
        metrics
            .review_duration
            .get_or_create(&ByPath { path: "validate" })
            .observe(0.000_04);
        metrics.shed.get_or_create(&Reason { reason: "reviews" }).inc();
        metrics
            .connection_timeouts
            .get_or_create(&Reason { reason: "idle" })
            .inc();
        metrics
            .handshake_failures
            .get_or_create(&Reason { reason: "timeout" })
            .inc();
        let serving = Certificate {
            certificate: "serving",
        };
        metrics.certificate_expiry.get_or_create(&serving).set(1);
        metrics.certificate_reload_failures.get_or_create(&serving).inc();
        metrics.certificate_broken.get_or_create(&serving).set(0);

        let text = render(&registry).unwrap();
        let served: Vec<&str> = text
            .lines()
            .filter_map(|l| l.strip_prefix("# TYPE ")?.split(' ').next())
            .collect();
        let table: Vec<&str> = METRICS.iter().map(bare).collect();
        for name in &served {
            assert!(table.contains(name), "{name} is not in the table");
        }
        for name in &table {
            assert!(served.contains(name), "{name} is not served:\n{text}");
        }
        for row in METRICS {
            assert!(text.contains(row.name), "{} is named otherwise", row.name);
            for label in row.labels {
                assert!(
                    text.lines()
                        .any(|l| l.starts_with(row.name) && l.contains(&format!("{label}=\""))),
                    "{} lacks the label {label}",
                    row.name
                );
            }
        }
        assert!(
            text.contains("hatchway_review_duration_seconds_bucket{le=\"5e-5\",path=\"validate\"} 1")
                || text
                    .contains("hatchway_review_duration_seconds_bucket{le=\"0.00005\",path=\"validate\"} 1"),
            "{text}"
        );
        assert!(text.ends_with("# EOF\n"));
    }
}
