//! The end of a server (rule SV-4): unready, wait for load balancers, finish what is in flight, exit 0. A second signal
//! ends it at once.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::signals::Signals;
use crate::telemetry::readiness::Condition;
use crate::webhook::Drain;

/// The exit code after a second signal.
const ABORTED: i32 = 1;

/// How long the steps may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until the port closes.
    pub(super) delay: Duration,
    /// In all.
    pub(super) total: Duration,
}

/// Waits for the first signal and goes through the steps; `leave` is cancelled with the first.
pub(super) async fn run(
    signals: &mut Signals,
    mut server: JoinHandle<()>,
    drain: &Drain,
    serving: &Condition,
    leave: Option<&CancellationToken>,
    patience: Patience,
) -> anyhow::Result<ExitCode> {
    let name = tokio::select! {
        name = signals.next() => name,
        _ = &mut server => bail!("the admission port ended by itself"),
    };
    let end = Instant::now() + patience.total;
    tracing::info!(signal = name, "draining: unready, still serving");
    serving.missing("the server is shutting down");
    drain.begin();
    if let Some(leave) = leave {
        // Whoever writes next need not wait until all is answered here.
        leave.cancel();
    }
    tokio::select! {
        () = tokio::time::sleep(patience.delay.min(patience.total)) => {}
        name = signals.next() => abort(name),
    }
    tracing::info!("the port is closed, finishing what is in flight");
    drain.stop();
    tokio::select! {
        _ = server => tracing::info!("all is answered, goodbye"),
        () = tokio::time::sleep_until(end) => tracing::warn!("some requests were not finished in time"),
        name = signals.next() => abort(name),
    }
    Ok(ExitCode::SUCCESS)
}

fn abort(signal: &str) -> ! {
    tracing::warn!(signal, "a second signal, ending at once");
    std::process::exit(ABORTED)
}
