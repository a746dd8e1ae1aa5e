//! The flag that names a cluster.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueHint;
use kube::Client;

use crate::api::Kind;
use crate::cluster;
use crate::world::World;

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

    /// All objects of `kinds`, read once; the world knows which of them cannot be read.
    pub(super) async fn world(&self, kinds: &[Kind]) -> anyhow::Result<World> {
        const WAY_OUT: &str = "no world to judge against: name a cluster with --kubeconfig FILE, or a folder of objects with --state DIR";
        let Self { kubeconfig } = self;
        let (client, server) = cluster::find(kubeconfig.as_deref()).await.context(WAY_OUT)?;
        let world = cluster::list(&client, kinds).await;
        world.with_context(|| {
            format!(
                "the world of {server} cannot be read (name another with --kubeconfig FILE, or a folder of objects \
                 with --state DIR)"
            )
        })
    }
}
