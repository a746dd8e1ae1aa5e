//! The flag that names a cluster.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueHint;
use kube::Client;

use crate::cluster;

/// Which cluster.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ClusterArgs {
    /// The kubeconfig that leads to the cluster [default: KUBECONFIG, else ~/.kube/config, else the pod's own account]
    #[arg(long, env = "HATCHWAY_KUBECONFIG", value_name = "FILE", value_hint = ValueHint::FilePath)]
    kubeconfig: Option<PathBuf>,
}

impl ClusterArgs {
    /// A client for it; nothing is called yet.
    pub(super) async fn connect(&self) -> anyhow::Result<Client> {
        let Self { kubeconfig } = self;
        cluster::connect(kubeconfig.as_deref())
            .await
            .context("cannot reach a cluster")
    }
}
