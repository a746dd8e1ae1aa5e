//! Hatchway: the admission and release server for modules of Deckhouse Kubernetes Platform.

pub mod certificates;
pub mod cli;
pub mod telemetry;
pub mod webhook;
