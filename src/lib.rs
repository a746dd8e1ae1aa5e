//! Hatchway: the admission and release server for modules of Deckhouse Kubernetes Platform.

pub mod api;
pub mod documents;
pub mod rules;
pub mod values;
pub mod world;
