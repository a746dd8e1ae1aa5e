//! Hatchway: the admission and release server for modules of Deckhouse Kubernetes Platform.

pub mod conversion;
pub mod settings;
