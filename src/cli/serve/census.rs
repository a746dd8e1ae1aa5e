//! What is wrong in the world as it is, counted while the server runs (rule SV-6, `hatchway_invalid_objects`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::review::{Census, Settler, Standing, UNREADABLE};
use crate::telemetry::metrics::ByRule;
use crate::world::Shared;

/// How long a census rests before the next, however much changes: people look at what stands wrong in hours, and a
/// source's scan changes the world every few minutes.
const REST: Duration = Duration::from_mins(1);
/// How much longer than it took it rests at least, so that a large world costs 2 % of a processor and no more.
const SHARE: u32 = 49;

/// Counts what is wrong in a world that is filled, again after it has changed, until `stop`.
pub(super) async fn run(
    world: Arc<Shared>,
    settler: Settler,
    gauge: Family<ByRule, Gauge>,
    stop: CancellationToken,
) {
    let mut changes = world.changes();
    let mut census = Census::new(settler);
    let mut counted = Counted::default();
    loop {
        changes.mark_unchanged();
        let began = Instant::now();
        let taken = tokio::task::spawn_blocking({
            let (world, stop) = (Arc::clone(&world), stop.clone());
            move || {
                let counts = Counts::take(&mut census, &world, &stop);
                (census, counts)
            }
        });
        let counts;
        let Ok(taken) = taken.await else {
            // A panic has been logged with its place, and would come again.
            tracing::error!("what is wrong in the world is not counted any more: restart the server");
            return;
        };
        (census, counts) = taken;
        let Some(counts) = counts else { return };
        counted.tell(counts, &gauge);
        let rest = REST.max(began.elapsed() * SHARE);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            stirred = changes.changed() => if stirred.is_err() { return },
        }
    }
}

/// What one census found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    objects: usize,
    invalid: usize,
    by_rule: BTreeMap<(&'static str, &'static str), i64>,
}

impl Counts {
    /// `None` when it was told to stop.
    fn take(census: &mut Census, world: &Shared, stop: &CancellationToken) -> Option<Self> {
        let mut counts = Self::default();
        let taken = census.take(world, Timestamp::now(), |standing| {
            counts.add(&standing);
            if stop.is_cancelled() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        taken.is_continue().then_some(counts)
    }

    fn add(&mut self, standing: &Standing) {
        self.objects += 1;
        let (kind, rules) = match standing {
            Standing::Judged { kind, refusals, .. } => {
                let rules: BTreeSet<&'static str> = refusals.iter().map(|refusal| refusal.rule).collect();
                (kind, rules)
            }
            Standing::Unreadable { kind, .. } => (kind, BTreeSet::from([UNREADABLE])),
        };
        self.invalid += usize::from(!rules.is_empty());
        for rule in rules {
            *self.by_rule.entry((kind.name(), rule)).or_default() += 1;
        }
    }

    /// `ModuleConfig MC-2: 3, …`
    fn rules(&self) -> String {
        let rules: Vec<String> = self
            .by_rule
            .iter()
            .map(|((kind, rule), count)| format!("{kind} {rule}: {count}"))
            .collect();
        rules.join(", ")
    }
}

/// What was told last.
#[derive(Debug, Default)]
struct Counted(BTreeMap<(&'static str, &'static str), i64>);

impl Counted {
    /// Sets the series, those that became empty to 0, and logs what has changed.
    fn tell(&mut self, counts: Counts, gauge: &Family<ByRule, Gauge>) {
        for (kind, rule) in self.0.keys() {
            if !counts.by_rule.contains_key(&(kind, rule)) {
                gauge.get_or_create(&ByRule { kind, rule }).set(0);
            }
        }
        for ((kind, rule), count) in &counts.by_rule {
            gauge.get_or_create(&ByRule { kind, rule }).set(*count);
        }
        if self.0 == counts.by_rule {
            return;
        }
        let (objects, invalid) = (counts.objects, counts.invalid);
        if invalid == 0 {
            tracing::info!(objects, "no object is wrong any more");
        } else {
            let rules = counts.rules();
            tracing::warn!(
                objects,
                invalid,
                rules,
                "some objects would be refused if they were made now"
            );
        }
        self.0 = counts.by_rule;
    }
}
