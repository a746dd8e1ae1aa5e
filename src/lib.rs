//! Hatchway: the admission and release server for modules of Deckhouse Kubernetes Platform.

pub mod depot;
