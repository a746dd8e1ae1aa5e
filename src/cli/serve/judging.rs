//! What stands behind the admission port: a world, who fills it, and who judges against it.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use axum::Router;
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::census;
use super::enforce::EnforceArgs;
use crate::cli::kubeconfig::ClusterArgs;
use crate::cluster::watches::{self, Outlets};
use crate::cluster::{self, Standalone, Store};
use crate::conversion::{Converter, ConverterOptions, Event};
use crate::review::{Reviews, Settler, Told, Trusted};
use crate::rules::{Skipped, schema};
use crate::telemetry::Readiness;
use crate::telemetry::cluster::Following;
use crate::telemetry::judging::Judging;
use crate::telemetry::metrics::{ByRule, Reason};
use crate::telemetry::readiness::Condition;
use crate::webhook::Reviewer;
use crate::world::{Shared, World};

/// What reviews are judged against, and who is trusted.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct WorldArgs {
    /// No cluster: the YAML and JSON files in DIR are the cluster's objects
    #[arg(long, env = "HATCHWAY_STANDALONE", value_name = "DIR")]
    standalone: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    /// A user whose changes of metadata and status are not judged; may be repeated
    #[arg(
        long,
        env = "HATCHWAY_TRUSTED_USER",
        value_name = "NAME",
        value_delimiter = ','
    )]
    trusted_user: Vec<String>,
    #[command(flatten)]
    enforce: EnforceArgs,
}

/// Where the objects are.
pub(super) enum Objects {
    /// In the files of a folder.
    Folder(PathBuf),
    /// Behind an API server.
    Cluster(Client),
}

impl WorldArgs {
    /// Where the flags say that the objects are. A cluster is not called yet.
    pub(super) async fn objects(&self) -> anyhow::Result<Objects> {
        let Some(dir) = &self.standalone else {
            return Ok(Objects::Cluster(self.cluster.connect().await?));
        };
        if !dir.is_dir() {
            bail!(
                "--standalone {} is no folder: name one with the cluster's objects as YAML or JSON files",
                dir.display()
            );
        }
        Ok(Objects::Folder(dir.clone()))
    }
}

impl Objects {
    /// The API server that they are behind, if they are behind one.
    pub(super) fn cluster(&self) -> Option<&Client> {
        match self {
            Self::Folder(_) => None,
            Self::Cluster(client) => Some(client),
        }
    }
}

/// The reviewer, and the routes that come with its world on the ops port.
pub(super) struct Judge<R> {
    pub(super) reviewer: R,
    pub(super) routes: Router,
    /// Ends what fills the world.
    pub(super) stop: CancellationToken,
}

/// Fills a world from where the flags say, and judges against it.
pub(super) async fn judge(
    args: WorldArgs,
    objects: Objects,
    namespace: &str,
    readiness: &Readiness,
    registry: &mut Registry,
) -> anyhow::Result<Judge<impl Reviewer>> {
    let WorldArgs {
        standalone: _,
        cluster: _,
        trusted_user,
        enforce,
    } = args;
    let enforcement = enforce.enforcement();
    // Compiled now, so that the first review does not wait for it.
    schema::warm_up();
    let judging = Judging::register(registry);
    let world = Arc::new(Shared::new(World::new()));
    let converter = converter(ConverterOptions::default(), judging.clone());
    let stop = CancellationToken::new();
    let routes = match objects {
        Objects::Folder(dir) => {
            let store = Arc::new(Store::new(Arc::clone(&world)));
            let settler = Settler::new(converter.clone(), Handle::current());
            let standalone = Standalone::new(dir, store, namespace, settler)
                .counting(judging.clone())
                .enforcing(enforcement.clone());
            let synced = readiness.condition("stores synced", "the files have not been read yet");
            // Before anybody can ask: the first answer is as good as all others.
            if let Some(standalone) = standalone.look(&synced).await {
                count_invalid(&world, synced.clone(), &judging, &stop);
                tokio::spawn(standalone.run(synced, stop.clone()));
            }
            cluster::router(Arc::clone(&world))
        }
        Objects::Cluster(client) => {
            let outlets = Outlets {
                synced: readiness.condition("stores synced", "nothing has been listed yet"),
                note: readiness.note(),
                following: Following::register(registry),
                judging: judging.clone(),
            };
            count_invalid(&world, outlets.synced.clone(), &judging, &stop);
            watches::follow(client, &world, outlets, &stop);
            Router::new()
        }
    };
    let trusted = Trusted::new(namespace, trusted_user);
    Ok(Judge {
        reviewer: Reviews::new(world, trusted, converter, Tell(judging)).enforcing(enforcement),
        routes,
        stop,
    })
}

/// Counts what is wrong in a world once it is `synced`: before that, whatever is named would seem to be missing.
fn count_invalid(world: &Arc<Shared>, synced: Condition, judging: &Judging, stop: &CancellationToken) {
    // Its own, so that no review waits for a child, or for a result that had to make room.
    let options = ConverterOptions {
        children: 1,
        kept: 1,
        ..ConverterOptions::default()
    };
    let settler = Settler::new(converter(options, judging.clone()), Handle::current());
    let gauge = judging.invalid_objects.clone();
    let (world, stop) = (Arc::clone(world), stop.clone());
    tokio::spawn(async move {
        if stop.run_until_cancelled(synced.until_met()).await.is_some() {
            census::run(world, settler, gauge, stop).await;
        }
    });
}

/// Converts settings in child processes and counts what happens.
fn converter(options: ConverterOptions, judging: Judging) -> Converter {
    Converter::new(options, move |event| {
        let reason = match event {
            Event::Kept => "kept",
            Event::Converted(_) => "converted",
            Event::Failed => "failed",
            Event::Marked { digest, limit } => {
                tracing::warn!(
                    definition = digest,
                    limit = limit.as_str(),
                    "a conversion of settings broke a limit: its definition is refused until it changes"
                );
                "limit"
            }
            Event::RefusedMarked => "refused",
            Event::Busy => "busy",
            Event::ProcessFailed => {
                tracing::error!("the process that converts settings could not be started or talked to");
                "process"
            }
        };
        judging
            .settings_conversions
            .get_or_create(&Reason { reason })
            .inc();
    })
}

/// Counts and logs what reviews tell.
struct Tell(Judging);

impl Told for Tell {
    fn unreadable_annotation(&self, object: &str) {
        self.0.ignored_annotations.inc();
        tracing::warn!(
            object,
            "the annotation that holds v1alpha1's fields cannot be read and is ignored"
        );
    }

    fn would_refuse(&self, kind: &'static str, name: &str, rules: &[&'static str]) {
        for rule in rules {
            self.0.would_refuse.get_or_create(&ByRule { kind, rule }).inc();
        }
        tracing::info!(
            kind,
            name,
            rules = rules.join(","),
            "allowed, though rules would refuse it"
        );
    }

    fn skipped(&self, module: &str, skipped: Skipped) {
        let Skipped { rules, schema } = skipped;
        if rules > 0 {
            self.0
                .settings_skipped
                .get_or_create(&Reason { reason: "rule" })
                .inc_by(rules as u64);
            tracing::warn!(
                module,
                rules,
                "rules of a module's settings ran out of time and were skipped"
            );
        }
        if schema {
            self.0
                .settings_skipped
                .get_or_create(&Reason { reason: "schema" })
                .inc();
            tracing::warn!(
                module,
                "a module's settings schema cannot be used, its settings were not judged"
            );
        }
    }
}
