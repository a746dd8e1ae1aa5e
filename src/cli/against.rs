//! What `check` and `review` judge against: the world in a folder or a cluster, and whom it trusts.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::api::{Kind, installation};
use crate::cli::kubeconfig::ClusterArgs;
use crate::cluster::folder;
use crate::conversion::{Converter, ConverterOptions};
use crate::review::Trusted;
use crate::world::World;
use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// The flags that name the world and the trusted users.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Against {
    /// The world: the YAML and JSON files in DIR are the objects that exist, status and all [default: a cluster's]
    #[arg(long, env = "HATCHWAY_STATE", value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    pub(super) state: Option<PathBuf>,
    #[command(flatten)]
    pub(super) cluster: ClusterArgs,
    /// Namespace of Hatchway itself, whose service account is trusted
    #[arg(
        long,
        env = "HATCHWAY_NAMESPACE",
        value_name = "NS",
        default_value = installation::NAMESPACE
    )]
    pub(super) namespace: String,
    /// A user who may write Modules and releases, and whose changes of metadata are not judged; may be repeated
    #[arg(
        long,
        env = "HATCHWAY_TRUSTED_USER",
        value_name = "NAME",
        value_delimiter = ','
    )]
    pub(super) trusted_user: Vec<String>,
}

impl Against {
    /// The world that is named, else the one of the cluster that kubectl would find. What cannot be read of it is told
    /// on standard error.
    pub(super) fn world(&self) -> anyhow::Result<World> {
        if let Some(dir) = &self.state {
            return load(dir);
        }
        let world = self.cluster()?;
        for (kind, name, why) in world.unreadable() {
            warn(format_args!("{kind}/{name} in the cluster: {why}"));
        }
        Ok(world)
    }

    /// The world of the cluster that kubectl would find; it knows what of it cannot be read.
    pub(super) fn cluster(&self) -> anyhow::Result<World> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("cannot start the asynchronous runtime")?;
        runtime.block_on(self.cluster.world(&Kind::ALL))
    }

    /// A runtime, and what converts and judges settings on it.
    pub(super) fn settler() -> anyhow::Result<(Runtime, Converter)> {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.context("cannot start the asynchronous runtime")?;
        Ok((runtime, Converter::new(ConverterOptions::default(), |_| {})))
    }

    /// The users that are trusted.
    pub(super) fn trusted(&self) -> Trusted {
        Trusted::new(&self.namespace, self.trusted_user.iter().cloned())
    }
}

/// Reads a folder as a world; what cannot be read is told on standard error, and the rest counts.
pub(super) fn load(dir: &Path) -> anyhow::Result<World> {
    let (world, problems) = folder::load(dir).context("cannot read the world in --state")?;
    problems.iter().for_each(warn);
    Ok(world)
}

fn warn(message: impl std::fmt::Display) {
    // Nobody is left to be told when standard error is gone.
    drop(writeln!(std::io::stderr(), "warning: {message}"));
}
