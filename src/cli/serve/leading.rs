//! Who of several replicas writes to the cluster, and what the one that does has to do.

use std::time::Duration;

use kube::Client;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::installation;
use crate::cluster::{Elector, stored_versions};
use crate::telemetry::leading::Leading as Metrics;

/// How long the Lease may take to be given back once all else is done: within the pod's grace period.
const GIVING_BACK: Duration = Duration::from_secs(8);
/// Where the kernel says what the machine, or the pod, is called.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// A running candidate.
pub(super) struct Leading {
    leave: CancellationToken,
    elector: JoinHandle<()>,
}

/// Stands for the Lease in `namespace` from now on.
pub(super) fn start(client: Client, namespace: &str, registry: &mut Registry) -> Leading {
    let metrics = Metrics::register(registry);
    let (elector, leadership) = Elector::new(client.clone(), namespace, identity(), metrics);
    let leave = CancellationToken::new();
    tokio::spawn(leadership.each_term(move |term| stored_versions::keep(client.clone(), term)));
    let elector = tokio::spawn(elector.run(leave.clone()));
    Leading { leave, elector }
}

impl Leading {
    /// Cancelled when this replica shall write no more, so that another one takes over while it still serves.
    pub(super) fn leave(&self) -> &CancellationToken {
        &self.leave
    }

    /// Waits until the Lease is given back.
    pub(super) async fn gone(self) {
        self.leave.cancel();
        if tokio::time::timeout(GIVING_BACK, self.elector).await.is_err() {
            tracing::warn!("the Lease could not be given back, it runs out");
        }
    }
}

/// A name that no other process ever had: the pod's, and something random for its next life.
fn identity() -> String {
    let named = ["POD_NAME", "HOSTNAME"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok());
    let host = std::fs::read_to_string(HOST_NAME).ok();
    let name = named
        .chain(host)
        .map(|name| name.trim().to_owned())
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| installation::NAME.to_owned());
    format!("{name}_{:016x}", fastrand::u64(..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_processes_have_one_identity() {
        assert_ne!(identity(), identity());
        assert!(!identity().starts_with('_'));
    }
}
