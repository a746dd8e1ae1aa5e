//! `hatchway registry serve`: a read-only registry on loopback, for authors and tests.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use clap::ValueHint;
use tokio::net::TcpListener;

use super::warn;
use crate::cli::output;
use crate::cli::signals::Signals;
use crate::registry::{Layout, serve, words};

/// Serve the images of an OCI layout, read-only, for authors and tests
///
/// There are no users and no TLS: this is not for production. The layout is read again when it changes. Ends on SIGTERM
/// or SIGINT.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway registry serve ./layout
  hatchway registry serve ./layout --addr 127.0.0.1:0

Standard output gets one line: the host and port, for --repo HOST:PORT/modules.")]
pub(super) struct Args {
    /// The layout's folder, as publish --layout writes it
    #[arg(value_hint = ValueHint::DirPath)]
    layout: PathBuf,
    /// Where it listens; port 0 picks a free one
    #[arg(
        long,
        env = "HATCHWAY_ADDR",
        value_name = "ADDR",
        default_value = "127.0.0.1:5000"
    )]
    addr: SocketAddr,
}

pub(super) async fn run(args: Args, mut signals: Signals) -> anyhow::Result<()> {
    let Args { layout, addr } = args;
    let layout = Layout::open(layout).map_err(|error| anyhow!(words(&error)))?;
    let images = layout.images().map_err(|error| anyhow!(words(&error)))?.len();
    let listener = TcpListener::bind(addr)
        .await
        .with_context(|| format!("cannot listen on --addr {addr}"))?;
    let addr = listener.local_addr().context("cannot tell the port")?;
    if !addr.ip().is_loopback() {
        warn(format_args!(
            "{addr} can be reached from other machines, by everybody"
        ));
    }
    let said = format!(
        "serving {images} images of \"{}\" on http://{addr}, read-only, without users and TLS: not for production",
        layout.dir().display()
    );
    drop(writeln!(io::stderr(), "{said}"));
    output::print(&format!("{addr}\n"))?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut server = tokio::spawn(serve::serve(listener, layout, async move {
        let _ = stopped.await;
    }));
    tokio::select! {
        ended = &mut server => return ended.context("the server failed")?.context("the server failed"),
        _ = signals.next() => drop(stop.send(())),
    }
    tokio::select! {
        ended = server => ended.context("the server failed")?.context("the server failed"),
        // Somebody does not want to wait for a slow reader.
        name = signals.next() => Err(anyhow!("interrupted by a second {name}")),
    }
}
