//! What an operator sees of a running Hatchway: logs, metrics, readiness and the ops port that serves them.
//! The bottom of the house: everybody may report here, nothing here knows who reports.

pub mod cluster;
pub mod judging;
pub mod leading;
pub mod logs;
pub mod metrics;
pub mod ops;
pub mod panics;
mod process;
pub mod readiness;
pub mod trust;

pub use metrics::{METRICS, Metrics};
pub use readiness::Readiness;
