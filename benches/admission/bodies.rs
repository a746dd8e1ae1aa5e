//! The reviews that are measured.

use crate::settings::{self, settings};
use crate::shapes::{Identity, object, review};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// A review, and what it is compared with.
pub struct Body {
    pub name: &'static str,
    pub bytes: Vec<u8>,
    pub goals: &'static [Goal],
}

/// What is at most allowed, as a ratio of CPU time to a peer's.
pub struct Goal {
    pub peer: &'static str,
    pub ratio: f64,
}

/// Without settings: a plain parse sets the bound, and a framework.
const FULL: &[Goal] = &[
    Goal {
        peer: "parse",
        ratio: 1.25,
    },
    Goal {
        peer: "go",
        ratio: 1.0 / 6.0,
    },
];
/// Most of a large object is not read.
const SKIPPED: &[Goal] = &[
    Goal {
        peer: "parse",
        ratio: 0.6,
    },
    Goal {
        peer: "go",
        ratio: 1.0 / 6.0,
    },
];
/// With settings: the API server's own code.
const SETTINGS: &[Goal] = &[Goal {
    peer: "go+schema",
    ratio: 1.0 / 8.0,
}];
const UNTOUCHED: &[Goal] = &[
    Goal {
        peer: "parse",
        ratio: 0.6,
    },
    Goal {
        peer: "go+schema",
        ratio: 1.0 / 8.0,
    },
];
const OTHER_KIND: &[Goal] = &[Goal {
    peer: "parse",
    ratio: 1.25,
}];
const OTHER_KIND_SKIPPED: &[Goal] = &[Goal {
    peer: "parse",
    ratio: 0.6,
}];

const SMALL: usize = 1_600;
const MEDIUM: usize = 6_000;
const LARGE: usize = 38_000;
const HUGE: usize = 1_000_000;

/// All of them. Operation, kind, size, and what is special.
pub fn all() -> Vec<Body> {
    let metered = Shape::new("ModuleConfig", settings::MODULE, config);
    let config = Shape::new("ModuleConfig", "shop", config);
    let policy = Shape::new("ModuleUpdatePolicy", "weekend", policy);
    let source = Shape::new("ModuleSource", "main", source);
    let release = Shape::new("ModuleRelease", "shop-v1.36.2", release);
    let definition = Shape::new("ModuleSettingsDefinition", "shop", definition);
    let pull = Shape {
        version: "v1alpha2",
        ..Shape::new("ModulePullOverride", "shop", pull)
    };
    let module = Shape {
        body_name: "properties",
        ..Shape::new("Module", "shop", module)
    };
    vec![
        config.create("CREATE config 1.6K", SMALL, FULL),
        config.update("UPDATE config 6K", MEDIUM, 1, FULL),
        config.update("UPDATE config 38K", LARGE, 1, SKIPPED),
        config.update("UPDATE config 38K, same spec", LARGE, 0, SKIPPED),
        config.update("UPDATE config 1M", HUGE, 1, SKIPPED),
        config.update("UPDATE config 1M, same spec", HUGE, 0, SKIPPED),
        metered.create("CREATE config 6K, settings", MEDIUM, SETTINGS),
        metered.update("UPDATE config 38K, settings", LARGE, 1, SETTINGS),
        metered.update("UPDATE config 38K, same settings", LARGE, 0, UNTOUCHED),
        policy.create("CREATE policy 1.6K", SMALL, OTHER_KIND),
        policy.update("UPDATE policy 6K", MEDIUM, 1, OTHER_KIND),
        source.create("CREATE source 1.6K", SMALL, OTHER_KIND),
        source.update("UPDATE source 6K", MEDIUM, 1, OTHER_KIND),
        source.update("UPDATE source 38K", LARGE, 1, OTHER_KIND_SKIPPED),
        release.create("CREATE release 1.6K", SMALL, OTHER_KIND),
        release.update("UPDATE release 6K", MEDIUM, 1, OTHER_KIND),
        release.update("UPDATE release 38K", LARGE, 1, OTHER_KIND_SKIPPED),
        pull.create("CREATE override 1.6K", SMALL, OTHER_KIND),
        module.create("CREATE module 1.6K", SMALL, OTHER_KIND),
        definition.create("CREATE definition 6K", MEDIUM, OTHER_KIND),
        definition.update("UPDATE definition 38K", LARGE, 1, OTHER_KIND_SKIPPED),
    ]
}

/// A review of no weight.
pub fn small() -> Vec<u8> {
    Shape::new("ModuleConfig", "shop", config)
        .create("", SMALL, &[])
        .bytes
}

/// What an object of a kind looks like at a length; `turn` makes its body differ.
struct Shape {
    kind: &'static str,
    version: &'static str,
    name: &'static str,
    body_name: &'static str,
    parts: fn(usize, usize) -> (Value, Option<Value>),
}

impl Shape {
    fn new(
        kind: &'static str,
        name: &'static str,
        parts: fn(usize, usize) -> (Value, Option<Value>),
    ) -> Self {
        Self {
            kind,
            version: "v1alpha1",
            name,
            body_name: "spec",
            parts,
        }
    }

    fn identity(&self) -> Identity<'_> {
        Identity {
            kind: self.kind,
            version: self.version,
            name: self.name,
            body_name: self.body_name,
        }
    }

    fn object(&self, bytes: usize, turn: usize) -> Value {
        let (body, status) = (self.parts)(bytes, turn);
        object(&self.identity(), &body, status.as_ref())
    }

    fn create(&self, name: &'static str, target: usize, goals: &'static [Goal]) -> Body {
        let bytes = fit(target, |bytes| {
            let mut object = self.object(bytes, 0);
            // Nobody has written a status yet.
            if let Some(fields) = object.as_object_mut() {
                fields.remove("status");
            }
            if let Some(managed) = object["metadata"]["managedFields"].as_array_mut() {
                managed.truncate(1);
            }
            review(&self.identity(), &object, None)
        });
        Body { name, bytes, goals }
    }

    fn update(&self, name: &'static str, target: usize, turn: usize, goals: &'static [Goal]) -> Body {
        let bytes = fit(target, |bytes| {
            let old = self.object(bytes, 0);
            let mut new = self.object(bytes, turn);
            new["metadata"]["generation"] = json!(8);
            // What an annotation by somebody else does.
            new["metadata"]["annotations"]["example.com/synced"] = json!("2026-10-02T08:41:17Z");
            review(&self.identity(), &new, Some(&old))
        });
        Body { name, bytes, goals }
    }
}

/// The longest review that is not longer than `target`; the smallest where all are.
fn fit(target: usize, build: impl Fn(usize) -> Vec<u8>) -> Vec<u8> {
    let (mut low, mut high) = (0, target);
    while high - low > 8 {
        let middle = low.midpoint(high);
        if build(middle).len() <= target {
            low = middle;
        } else {
            high = middle;
        }
    }
    build(low)
}

fn config(bytes: usize, turn: usize) -> (Value, Option<Value>) {
    let mut spec = json!({"enabled": true, "source": "main", "updatePolicy": "stable"});
    let settings = settings(bytes, turn);
    if settings.as_object().is_some_and(|settings| !settings.is_empty()) {
        spec["settings"] = settings;
        spec["version"] = json!(1);
    }
    (spec, Some(json!({"message": "", "version": "1"})))
}

fn policy(bytes: usize, turn: usize) -> (Value, Option<Value>) {
    let windows: Vec<Value> = (0..(1 + bytes / 60).min(14))
        .map(|i| json!({"days": ["Sat", "Sun"], "from": format!("{:02}:00", i % 22), "to": format!("{:02}:30", i % 22)}))
        .collect();
    let mode = if turn == 0 { "Auto" } else { "Manual" };
    (
        json!({"releaseChannel": "Stable", "update": {"mode": mode, "windows": windows}}),
        None,
    )
}

fn source(bytes: usize, turn: usize) -> (Value, Option<Value>) {
    let auths: Map<String, Value> = (0..=bytes / 400)
        .map(|i| {
            (
                format!("registry-{i}.example.com"),
                json!({"auth": STANDARD.encode(format!("robot-{i}:{turn}-a-long-password"))}),
            )
        })
        .collect();
    let spec = json!({
        "registry": {
            "repo": "registry-0.example.com/platform/modules",
            "scheme": "HTTPS",
            "dockerCfg": STANDARD.encode(json!({"auths": auths}).to_string()),
        },
        "scanInterval": "5m",
    });
    let modules: Vec<Value> = (0..bytes / 150)
        .map(|i| json!({"checksum": format!("sha256:{i:064x}"), "name": format!("module-{i}"), "policy": "stable", "version": format!("v1.{i}.0")}))
        .collect();
    let status = json!({"message": "", "modules": modules, "modulesCount": bytes / 150, "phase": "Active", "syncTime": "2026-10-02T08:41:19Z"});
    (spec, Some(status))
}

fn release(bytes: usize, turn: usize) -> (Value, Option<Value>) {
    let changes = |kind: &str| -> Vec<Value> {
        (0..bytes / 500)
            .map(|i| json!({"summary": format!("{kind}: the controller no longer forgets {i} of its queues"), "pull_request": format!("https://git.example.com/shop/pull/{i}")}))
            .collect()
    };
    let spec = json!({
        "moduleName": "shop",
        "version": "1.36.2",
        "weight": 900 + turn,
        "requirements": {"deckhouse": ">= 1.68", "kubernetes": ">= 1.29"},
        "changelog": {"features": changes("feature"), "fixes": changes("fix")},
    });
    let status = json!({"approved": true, "message": "", "phase": "Deployed", "size": 481_203, "pullDuration": "1.8s", "transitionTime": "2026-10-02T08:41:19Z"});
    (spec, Some(status))
}

fn pull(_: usize, turn: usize) -> (Value, Option<Value>) {
    let tag = if turn == 0 { "pr-1204" } else { "pr-1205" };
    (
        json!({"imageTag": tag, "rollback": false, "scanInterval": "15s"}),
        Some(json!({"message": "", "weight": 900})),
    )
}

fn module(_: usize, _: usize) -> (Value, Option<Value>) {
    let properties = json!({
        "availableSources": ["main"], "source": "main", "namespace": "d8-shop", "releaseChannel": "Stable",
        "requirements": {"kubernetes": ">= 1.29"}, "stage": "General Availability", "subsystems": ["delivery"],
        "version": "v1.36.2", "weight": 900,
    });
    (properties, Some(json!({"phase": "Ready"})))
}

fn definition(bytes: usize, turn: usize) -> (Value, Option<Value>) {
    let fields: Map<String, Value> = (0..=bytes / 200)
        .map(|i| (format!("field{i}"), json!({"type": "string", "description": "How long it waits for an answer", "pattern": "^[0-9]+s$", "default": format!("{turn}s")})))
        .collect();
    let schema = json!({"type": "object", "properties": fields});
    (
        json!({"versions": [{"name": "1", "schema": {"openAPIV3Schema": schema}}]}),
        None,
    )
}
