//! The port: accepting, capping, and the end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

use super::Reviewer;
use super::connection;
use super::drain::Drain;
use super::limits::Limits;
use super::service::Shared;
use crate::certificates::Tls;
use crate::certificates::probe::Caller;
use crate::telemetry::Metrics;

/// How long accepting rests after an error such as too many open files, so as not to spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How many connections the kernel keeps for us to accept (what tokio asks for).
const BACKLOG: usize = 1024;

/// Listens on `address`; where the kernel has no IPv6, the wildcard of IPv6 means that of IPv4.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && !matches!(
                    error.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                ) =>
        {
            tracing::info!(%address, %error, "no IPv6 here, listening on IPv4 only");
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        other => other,
    }
}

/// The admission server.
#[derive(Debug)]
pub struct Server<R> {
    shared: Arc<Shared<R>>,
    tls: Arc<Tls>,
    connections: TaskTracker,
}

impl<R: Reviewer> Server<R> {
    /// Nothing listens yet.
    pub fn new(
        reviewer: R,
        tls: Arc<Tls>,
        limits: Limits,
        metrics: Metrics,
        drain: Drain,
        probe: Caller,
    ) -> Self {
        let shared = Arc::new(Shared::new(reviewer, limits, metrics, drain, probe));
        Self {
            shared,
            tls,
            connections: TaskTracker::new(),
        }
    }

    /// Serves until [`Drain::stop`] and until the last connection is done.
    pub async fn run(self, listener: TcpListener) {
        let drain = self.shared.drain.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drain.stopped() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => self.take(stream, peer),
                Err(error) => {
                    tracing::warn!(%error, "cannot accept on the admission port");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // Who is in the backlog believes to be connected: they are served, too.
        for _ in 0..BACKLOG {
            let Some(Ok((stream, peer))) = listener.accept().now_or_never() else {
                break;
            };
            self.take(stream, peer);
        }
        drop(listener);
        self.connections.close();
        self.connections.wait().await;
    }

    fn take(&self, stream: TcpStream, peer: SocketAddr) {
        let metrics = &self.shared.metrics;
        metrics.connections_accepted.inc();
        let limit = i64::try_from(self.shared.limits.max_connections).unwrap_or(i64::MAX);
        if metrics.connections.inc() >= limit {
            // Closed, not left in the backlog: the caller knows at once, and can try another replica.
            metrics.connections.dec();
            self.shared.shed("connections");
            return;
        }
        let (shared, config) = (Arc::clone(&self.shared), self.tls.config());
        self.connections.spawn(async move {
            let _open = Open(shared.metrics.connections.clone());
            connection::serve(Arc::clone(&shared), config, stream, peer).await;
        });
    }
}

/// Counts a connection until it is dropped, also when its task panics.
struct Open(prometheus_client::metrics::gauge::Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
