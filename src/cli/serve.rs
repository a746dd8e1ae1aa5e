//! `hatchway serve`: wires the admission port, the ops port and what stands behind them.

mod announce;
mod census;
mod credentials;
mod enforce;
mod judging;
mod leading;
mod shutdown;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use credentials::own_namespace;

use crate::certificates::probe::{Caller, Probe};
use crate::cli::signals::Signals;
use crate::telemetry::trust::Trust;
use crate::telemetry::{Metrics, Readiness, ops};
use crate::webhook::{self, Drain, Limits, Server};
use judging::{Judge, WorldArgs};
use leading::Leading;

/// Serve admission reviews and conversions over HTTPS, and /livez, /readyz and /metrics over plain HTTP
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway serve --standalone manifests/examples
  hatchway serve --standalone . --https-addr 127.0.0.1:0 --ops-addr 127.0.0.1:0
  hatchway serve --standalone world/ --tls-dir certs/dev --client-ca callers.crt
  hatchway serve --standalone world/ --enforce warn
  hatchway serve --standalone world/ --warn-only MC-2 --warn-only MS-2")]
pub(super) struct Args {
    #[command(flatten)]
    world: WorldArgs,
    /// Namespace of Hatchway itself [default: the pod's, else d8-system]
    #[arg(long, env = "HATCHWAY_NAMESPACE", value_name = "NS")]
    namespace: Option<String>,
    #[command(flatten)]
    certificates: credentials::CertificateArgs,
    /// Where admission and conversion listen; port 0 picks a free one
    #[arg(
        long,
        env = "HATCHWAY_HTTPS_ADDR",
        value_name = "ADDR",
        default_value = "[::]:9443"
    )]
    https_addr: SocketAddr,
    /// Where /livez, /readyz and /metrics listen, in plain HTTP; port 0 picks a free one
    #[arg(
        long,
        env = "HATCHWAY_OPS_ADDR",
        value_name = "ADDR",
        default_value = "[::]:9090"
    )]
    ops_addr: SocketAddr,
    #[command(flatten)]
    limits: Limits,
}

/// Serves until told to end.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the asynchronous runtime")?;
    let code = runtime.block_on(serve(args));
    // Connections that outlived the shutdown's patience end here.
    runtime.shutdown_background();
    code
}

async fn serve(args: Args) -> anyhow::Result<ExitCode> {
    let Args {
        world,
        namespace,
        certificates,
        https_addr,
        ops_addr,
        limits,
    } = args;
    let namespace = namespace.unwrap_or_else(own_namespace);
    let objects = world.objects().await?;
    let client = objects.cluster().cloned();
    let standalone = client.is_none();

    let mut registry = Registry::default();
    let metrics = Metrics::register(&mut registry);
    let readiness = Readiness::default();
    let drain = Drain::default();
    let callers = credentials::Callers {
        cluster: objects.cluster(),
        namespace: &namespace,
        metrics: &metrics,
        trust: Trust::register(&mut registry),
        readiness: &readiness,
        drain: &drain,
    };
    // Before anything listens: a certificate that cannot be served is an error at start, not of the first caller.
    let credentials = credentials::load(certificates, callers)?;
    let tls = Arc::clone(&credentials.tls);
    let Judge {
        reviewer,
        routes,
        stop,
    } = judging::judge(world, objects, &namespace, &readiness, &mut registry).await?;

    let https = listen(https_addr, "--https-addr").await?;
    let ops = listen(ops_addr, "--ops-addr").await?;
    let bound = announce::Ports {
        https: https.local_addr()?,
        ops: ops.local_addr()?,
    };

    let serving = readiness.condition("serving", "the server is starting");
    let caller = Caller::default();
    let probe = Arc::new(Probe::new(
        bound.https,
        Arc::clone(tls.resolver()),
        caller.clone(),
    ));
    readiness.probe("tls", move || {
        let probe = Arc::clone(&probe);
        async move { probe.run().await }
    });

    let patience = shutdown::Patience {
        delay: limits.drain_delay,
        total: limits.drain_timeout,
    };
    let server = Server::new(reviewer, tls, limits, metrics, drain.clone(), caller);
    let mut signals = Signals::new().context("cannot listen for signals")?;
    let leading = client.map(|client| leading::start(client, &namespace, &mut registry));
    tokio::spawn(ops::serve(
        ops,
        ops::router(Arc::new(registry), readiness, routes),
    ));
    let ca_file = credentials.ca_file.clone();
    credentials.follow();
    let server = tokio::spawn(server.run(https));

    serving.met();
    bound.print().context("cannot write to standard output")?;
    if standalone {
        announce::print_curl_lines(&bound, ca_file.as_deref());
    }
    tracing::info!(https = %bound.https, ops = %bound.ops, "serving");
    let leave = leading.as_ref().map(Leading::leave);
    let code = shutdown::run(&mut signals, server, &drain, &serving, leave, patience).await;
    stop.cancel();
    if let Some(leading) = leading {
        leading.gone().await;
    }
    code
}

async fn listen(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    webhook::bind(address)
        .await
        .with_context(|| format!("cannot listen on {flag} {address}"))
}
