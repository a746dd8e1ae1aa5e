//! Creating with `dryRun` through the API server, with Hatchway's webhooks and without, in turn.

use crate::caller::{Caller, Run};
use crate::plane::{Plane, free_port, manifests};
use crate::{median, rounds};
use anyhow::ensure;
use bytes::Bytes;
use http::StatusCode;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PATH: &str = "/apis/deckhouse.io/v1alpha1/moduleconfigs?dryRun=All";
/// Calls per round.
const CALLS: usize = 2_000;

/// Prints what a create takes with and without.
pub fn measure(plane: &Plane) -> anyhow::Result<()> {
    let port = free_port()?;
    for part in ["namespace", "crds"] {
        plane.kubectl(&["apply", "-f", "-"], &manifests(part, port)?)?;
    }
    let webhooks = manifests("webhooks", port)?;
    plane.kubectl(&["apply", "-f", "-"], &webhooks)?;
    let server = plane.serve(port)?;
    let caller = Caller::new(plane)?;
    let runtime = tokio::runtime::Runtime::new()?;
    let bodies: Arc<Vec<Bytes>> = Arc::new((0..CALLS).map(|i| config(&format!("echo-{i}"))).collect());

    let (mut with, mut without, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds() {
        plane.kubectl(&["apply", "-f", "-"], &webhooks)?;
        runtime.block_on(until_asked(&caller, true))?;
        let before = server.cpu()?;
        let run = runtime.block_on(caller.create(PATH, Arc::clone(&bodies)))?;
        let used = server.cpu()?.saturating_sub(before).as_secs_f64() * 1e6 / CALLS as f64;
        plane.kubectl(&["delete", "-f", "-"], &webhooks)?;
        runtime.block_on(until_asked(&caller, false))?;
        let bare = runtime.block_on(caller.create(PATH, Arc::clone(&bodies)))?;
        // The first round fills caches.
        if round > 0 {
            with.push(run);
            without.push(bare);
            cpu.push(used);
        }
    }
    println!("| create, dryRun | per second | p50 ms | p99 ms | Hatchway CPU µs each |");
    println!("|---|--:|--:|--:|--:|");
    row("with Hatchway", &with, &format!("{:.0}", median(cpu)));
    row("without", &without, "");
    Ok(())
}

fn row(name: &str, runs: &[Run], cpu: &str) {
    let of = |figure: fn(&Run) -> f64| median(runs.iter().map(figure).collect());
    println!(
        "| {name} | {:.0} | {:.2} | {:.2} | {cpu} |",
        of(|run| run.times.len() as f64 / run.wall.as_secs_f64()),
        of(|run| quantile(run, 50)),
        of(|run| quantile(run, 99)),
    );
}

/// Milliseconds.
fn quantile(run: &Run, percent: usize) -> f64 {
    let mut times = run.times.clone();
    times.sort();
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e3
}

fn config(name: &str) -> Bytes {
    let object = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": name},
        "spec": {"enabled": true, "version": 1, "settings": {"replicas": 3, "host": "echo.example.com"}},
    });
    object.to_string().into()
}

/// Waits until the API server asks the webhook, or does no more: it learns of configurations by a watch. What tells
/// the two apart is a source that the schema takes and a rule refuses.
async fn until_asked(caller: &Caller, asked: bool) -> anyhow::Result<()> {
    let object = json!({
        "apiVersion": "deckhouse.io/v1alpha1", "kind": "ModuleConfig", "metadata": {"name": "probe"},
        "spec": {"enabled": true, "source": "no-such-source"},
    });
    let body = Bytes::from(object.to_string());
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let (status, answer) = caller.post(PATH, body.clone()).await?;
        let refused = status == StatusCode::UNPROCESSABLE_ENTITY;
        if refused == asked && (refused || status == StatusCode::CREATED) {
            return Ok(());
        }
        ensure!(
            Instant::now() < until,
            "the webhooks did not come or go: {status}: {answer}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
