//! One connection, from its handshake to its end.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::graceful::GracefulConnection;
use rustls::{AlertDescription, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::Reviewer;
use super::activity::{Activity, Step, Watched};
use super::limits::{READ_BUFFER, STREAMS};
use super::service::{Shared, handle};
use crate::telemetry::metrics::Reason;

/// Serves `stream` until either side is done with it.
pub(super) async fn serve<R: Reviewer>(
    shared: Arc<Shared<R>>,
    config: Arc<ServerConfig>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    // Answers are small and complete: waiting for more to send with them only costs time.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let handshake = TlsAcceptor::from(config).accept(stream);
    let stream = match tokio::time::timeout(shared.limits.handshake_timeout, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return failed(&shared, peer, reason(&error), Some(&error)),
        Err(_) => return failed(&shared, peer, "timeout", None),
    };

    // ALPN has decided; without it a client speaks HTTP/1.1. Looking at the first bytes instead would need a timeout
    // of its own for a client that sends none.
    let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let activity = Activity::new(!h2, Instant::now());
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&activity)));
    let service = {
        let (shared, activity) = (Arc::clone(&shared), Arc::clone(&activity));
        service_fn(move |request| handle(Arc::clone(&shared), Arc::clone(&activity), request))
    };
    if h2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .max_concurrent_streams(STREAMS)
            .serve_connection(io, service);
        drive(&shared, &activity, connection).await;
    } else {
        let connection = http1::Builder::new()
            // The timeout for heads is ours (see `Activity`): hyper's would also end connections that are idle, and
            // would set a timer for every request.
            .header_read_timeout(None)
            .max_buf_size(READ_BUFFER)
            .serve_connection(io, service);
        drive(&shared, &activity, connection).await;
    }
}

async fn drive<R, C>(shared: &Shared<R>, activity: &Activity, connection: C)
where
    R: Reviewer,
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let mut stopping: Option<Instant> = None;
    let mut look = pin!(tokio::time::sleep(
        shared.limits.header_timeout.min(shared.limits.idle_timeout)
    ));
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended early");
                }
                return;
            }
            () = look.as_mut() => {}
            () = shared.drain.stopped(), if stopping.is_none() => {
                stopping = Some(Instant::now());
                // hyper would close a connection that has not sent anything yet, with its first request on the way.
                // It gets a moment (see `Activity`), and the answer closes it.
                if !activity.awaits_first() {
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
        match activity.step(Instant::now(), &shared.limits, stopping) {
            Step::LookAgain(at) => look.as_mut().reset(at.into()),
            Step::Close(reason) => {
                shared
                    .metrics
                    .connection_timeouts
                    .get_or_create(&Reason { reason })
                    .inc();
                return;
            }
        }
    }
}

fn failed<R: Reviewer>(
    shared: &Shared<R>,
    peer: SocketAddr,
    reason: &'static str,
    error: Option<&io::Error>,
) {
    if shared.is_probe(peer) {
        return;
    }
    shared
        .metrics
        .handshake_failures
        .get_or_create(&Reason { reason })
        .inc();
    tracing::debug!(%peer, reason, error = error.map(tracing::field::display), "a TLS handshake failed");
}

/// Why a handshake failed, from a fixed set.
fn reason(error: &io::Error) -> &'static str {
    let Some(tls) = error
        .get_ref()
        .and_then(|source| source.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => "closed",
            _ => "io",
        };
    };
    match tls {
        rustls::Error::NoCertificatesPresented => "client-certificate-missing",
        rustls::Error::InvalidCertificate(_) => "client-certificate",
        // The caller does not trust us: its caBundle is not ours.
        rustls::Error::AlertReceived(
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::DecryptError,
        ) => "untrusted",
        rustls::Error::AlertReceived(_) => "alert",
        rustls::Error::PeerIncompatible(_) => "incompatible",
        _ => "protocol",
    }
}
