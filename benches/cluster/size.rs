//! A large world: 1,000 configs and 10,000 releases. Time to ready, and memory.

use crate::caller::Caller;
use crate::plane::{Plane, free_port, manifests};
use crate::{median, rounds};
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const CONFIGS: usize = 1_000;
const RELEASES_PER_CONFIG: usize = 10;
/// The most that the server may hold then, in MiB.
const GOAL: f64 = 64.0;

/// Prints time to ready and memory.
pub fn measure(plane: &Plane) -> anyhow::Result<()> {
    let port = free_port()?;
    plane.kubectl(&["apply", "-f", "-"], &manifests("crds", port)?)?;
    let caller = Caller::new(plane)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let configs: Vec<Bytes> = (0..CONFIGS).map(|i| bytes(&config(i))).collect();
    let releases: Vec<Bytes> = (0..CONFIGS * RELEASES_PER_CONFIG)
        .map(|i| bytes(&release(i)))
        .collect();
    let size = releases.iter().map(Bytes::len).sum::<usize>() / releases.len();
    for (plural, bodies) in [("moduleconfigs", configs), ("modulereleases", releases)] {
        let path = format!("/apis/deckhouse.io/v1alpha1/{plural}");
        runtime.block_on(caller.create(&path, Arc::new(bodies)))?;
    }
    // After the objects, so that none of them is judged.
    plane.kubectl(&["apply", "-f", "-"], &manifests("namespace", port)?)?;
    plane.kubectl(&["apply", "-f", "-"], &manifests("webhooks", port)?)?;

    let (mut ready, mut at_ready, mut rested) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds() {
        let started = Instant::now();
        let server = plane.serve(port)?;
        ready.push(started.elapsed().as_secs_f64());
        at_ready.push(server.rss()?);
        std::thread::sleep(Duration::from_secs(3));
        rested.push(server.rss()?);
    }
    println!(
        "{CONFIGS} ModuleConfigs and {} ModuleReleases of {size} bytes:\n",
        CONFIGS * RELEASES_PER_CONFIG
    );
    println!("| | median | most |");
    println!("|---|--:|--:|");
    for (name, figures) in [
        ("ready after s", ready),
        ("RSS MiB when ready", at_ready),
        ("RSS MiB 3 s later", rested.clone()),
    ] {
        let most = figures.iter().copied().fold(0.0, f64::max);
        println!("| {name} | {:.2} | {most:.2} |", median(figures));
    }
    let rested = median(rested);
    let verdict = if rested <= GOAL { "met" } else { "MISSED" };
    println!("\nGoal: at most {GOAL:.0} MiB: {rested:.1}, {verdict}");
    Ok(())
}

fn bytes(object: &Value) -> Bytes {
    object.to_string().into()
}

fn config(i: usize) -> Value {
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": format!("module-{i}")},
        "spec": {"enabled": i.is_multiple_of(2), "version": 1, "settings": {
            "replicas": 3, "hosts": ["a.example.com", "b.example.com"],
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
        }},
    })
}

fn release(i: usize) -> Value {
    let (module, minor) = (
        format!("module-{}", i / RELEASES_PER_CONFIG),
        i % RELEASES_PER_CONFIG,
    );
    json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleRelease",
        "metadata": {
            "name": format!("{module}-v1.{minor}.0"),
            "labels": {
                "module": module, "source": "main", "release-checksum": format!("{i:032x}"),
                "modules.deckhouse.io/update-policy": "stable", "status": "superseded",
            },
            "annotations": {"modules.deckhouse.io/change-cause": "check release (step-by-step)"},
        },
        "spec": {
            "moduleName": module, "version": format!("1.{minor}.0"), "weight": 900,
            "requirements": {"kubernetes": ">= 1.28", "deckhouse": "> v1.63.0", "modules": {"ingress": "^1.2"}},
            "changelog": {
                "features": [{"summary": "A feature that takes a sentence to describe, with its reason", "pull_request": "https://git.example.com/modules/pull/1"}],
                "fixes": [
                    {"summary": "Something that went wrong when it should not have", "pull_request": "https://git.example.com/modules/pull/2"},
                    {"summary": "A template that did not render on older clusters", "pull_request": "https://git.example.com/modules/pull/3"},
                ],
            },
        },
    })
}
