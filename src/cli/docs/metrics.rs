//! The reference of the metrics, a row each.

use std::fmt::Write;

use crate::telemetry::METRICS;
use crate::telemetry::metrics::Kind;

/// The whole page.
pub(super) fn page() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         <!-- Printed by `hatchway docs metrics`; change the table in src/telemetry/metrics.rs, not this page. -->\n\n\
         What `/metrics` on the ops port says, as OpenMetrics text. What the labels' values mean, and what to do when a\n\
         number moves, is in [operations](../operations.md#metrics).\n\n\
         | metric | type | labels | what |\n|---|---|---|---|\n",
    );
    for row in METRICS {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a string cannot fail.
        let _written = writeln!(
            page,
            "| `{}` | {} | {} | {} |",
            row.name,
            kind(row.kind),
            labels.join(", "),
            row.help
        );
    }
    page
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Gauge => "gauge",
        Kind::Histogram => "histogram",
        Kind::Info => "info",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_row_of_four_cells() {
        let page = page();
        for row in METRICS {
            let start = format!("| `{}` | ", row.name);
            let line = page.lines().find(|line| line.starts_with(&start)).unwrap();
            assert_eq!(line.matches('|').count(), 5, "{line}");
        }
    }
}
