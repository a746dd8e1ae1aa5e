//! Releases as the world keeps them: there are ten for each module, and hardly any is ever looked at.

use crate::api::{ModuleRelease, ReleasePhase};
use serde::Deserialize as _;
use std::sync::Arc;

/// A release as JSON, a seventh of what its fields would take in memory: its changelog is an object of any shape.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    json: Arc<str>,
    /// Beside it, since it is asked for many releases at once.
    phase: Option<ReleasePhase>,
}

impl Packed {
    pub(super) fn new(release: &ModuleRelease) -> Self {
        // Serialising these types cannot fail: their maps have string keys.
        let json = serde_json::to_string(release).unwrap_or_default();
        Self {
            json: json.into(),
            phase: release.status.as_ref().and_then(|status| status.phase),
        }
    }

    /// The release, made anew: some microseconds. What was packed can be unpacked.
    pub(super) fn unpack(&self) -> Option<Arc<ModuleRelease>> {
        let mut json = serde_json::Deserializer::from_str(&self.json);
        // As deep as it was when it came in, which is for whoever read it to limit.
        json.disable_recursion_limit();
        ModuleRelease::deserialize(&mut json).ok().map(Arc::new)
    }

    pub(super) const fn phase(&self) -> Option<ReleasePhase> {
        self.phase
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_release_comes_back_as_it_was() {
        let release: ModuleRelease = serde_json::from_value(json!({
            "metadata": {
                "name": "echo-v1.2.3", "resourceVersion": "7", "uid": "u", "generation": 2,
                "creationTimestamp": "2026-01-02T03:04:05Z", "labels": {"module": "echo"},
                "finalizers": ["a"], "ownerReferences": [
                    {"apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleSource", "name": "main", "uid": "s"},
                ],
            },
            "spec": {
                "moduleName": "echo", "version": "1.2.3", "weight": 900, "applyAfter": "2026-01-02T03:04:05Z",
                "requirements": {"kubernetes": ">= 1.28", "modules": {"ingress": "^1.2"}},
                "update": {"versions": [{"from": "1.0", "to": "1.2"}]},
                "changelog": {"features": [{"summary": "Ünïcode \"quoted\"", "weight": 1.5}], "empty": null},
            },
            "status": {"phase": "Deployed", "approved": true, "size": 7},
        }))
        .unwrap();
        let packed = Packed::new(&release);
        assert_eq!(packed.phase(), Some(ReleasePhase::Deployed));
        assert_eq!(*packed.unpack().unwrap(), release);
    }
}
