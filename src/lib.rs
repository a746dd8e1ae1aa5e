//! Hatchway: the admission and release server for modules of Deckhouse Kubernetes Platform.

pub mod api;
pub mod archive;
pub mod certificates;
pub mod cli;
pub mod cluster;
pub mod conversion;
pub mod depot;
pub mod documents;
#[doc(hidden)]
pub mod fuzzing;
pub mod network;
pub mod registry;
pub mod review;
pub mod rules;
pub mod settings;
pub mod telemetry;
pub mod values;
pub mod webhook;
pub mod world;
