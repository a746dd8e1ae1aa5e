//! `hatchway uninstall`: takes Hatchway out of a cluster.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::kubeconfig::ClusterArgs;
use crate::api::installation::{NAME, NAMESPACE};
use crate::cluster::{Progress, Uninstall};

/// Take Hatchway out of a cluster, so that nothing of it stands in anybody's way
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway uninstall
  hatchway uninstall --namespace my-system --service my-hatchway
  hatchway uninstall --crds

Works also when no webhook is alive any more. In this order: webhook configurations; the account's rights; our
finalizers; what is stored in an old version is written anew, storedVersions trimmed, the conversion set to None; then
Deployment, Services, PodDisruptionBudget, ServiceAccount, Lease and Secret. The namespace stays, and without --crds so
do CRDs and all objects in them. What fails is told and does not keep the rest from being done; it can be run again.
A server that runs outside of the cluster has to be ended first.

Exit codes: 0 all is gone, 1 something is left, 2 the cluster could not be asked.")]
pub(super) struct Args {
    /// Namespace of Hatchway
    #[arg(long, env = "HATCHWAY_NAMESPACE", value_name = "NS", default_value = NAMESPACE)]
    namespace: String,
    /// The Service by which API servers call
    #[arg(long, env = "HATCHWAY_SERVICE", value_name = "NAME", default_value = NAME)]
    service: String,
    /// Delete the CRDs as well, and with them every object of the seven kinds
    #[arg(long, env = "HATCHWAY_CRDS")]
    crds: bool,
    #[command(flatten)]
    cluster: ClusterArgs,
}

/// Goes through all steps, and tells each on standard error.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    runtime.block_on(uninstall(args))
}

async fn uninstall(args: Args) -> anyhow::Result<ExitCode> {
    let Args {
        namespace,
        service,
        crds,
        cluster,
    } = args;
    let client = cluster.connect().await?;
    let work = Uninstall {
        namespace: namespace.clone(),
        service,
        crds,
    };
    let report = work.run(client, &mut Lines).await.context("cannot uninstall")?;
    let stays = if crds {
        ""
    } else {
        ", and so do the CRDs with all objects (--crds deletes them)"
    };
    if !report.left.is_empty() {
        tell(&format!(
            "{} steps failed: mend what they tell, and run this again",
            report.left.len()
        ));
        return Ok(ExitCode::from(1));
    }
    let done = if report.done == 0 {
        "nothing of Hatchway is there"
    } else {
        "Hatchway is uninstalled"
    };
    tell(&format!("{done}; the namespace {namespace} stays{stays}"));
    if report.done == 0 {
        tell("was it installed with another --namespace or --service?");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells people on standard error.
struct Lines;

impl Progress for Lines {
    fn done(&mut self, line: &str) {
        tell(line);
    }

    fn left(&mut self, line: &str) {
        tell(&format!("error: {line}"));
    }
}

fn tell(line: &str) {
    // Nobody is left to be told when standard error is gone; the work goes on.
    drop(writeln!(std::io::stderr(), "{line}"));
}
