//! One HTTP request on a pooled connection: TLS, proxies, nothing that knows of registries.

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::PROXY_AUTHORIZATION;
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::budget::{HOSTS, lock};
use super::error::BoxError;
use super::tls::{self, TrustError};
use crate::network::Proxies;

/// What a request carries.
pub(super) type Body = UnsyncBoxBody<Bytes, io::Error>;

/// To find a host and be let in by its kernel; beyond that the patience of the request counts.
const CONNECT: Duration = Duration::from_secs(10);
/// Read at once from a connection, in bytes; also the longest head of an answer. What is read waits in pieces of this
/// size, so that memory stays small; larger ones are not faster.
const BUFFER: usize = 128 * 1024;
/// An idle connection is kept for as long as usual load balancers keep theirs.
const IDLE: Duration = Duration::from_secs(50);

/// A pool of connections, by host, that share one idea of whom to trust.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    client: Client<HttpsConnector<Dial>, Body>,
    proxies: Proxies,
}

impl Transport {
    /// `connections` are opened and kept per host. HTTP/1.1 alone: a blob per connection is what registries are built for,
    /// and a budget in connections then means what it says.
    pub(super) fn new(ca: Option<&str>, proxies: Proxies, connections: usize) -> Result<Self, TrustError> {
        let config = tls::config(ca)?;
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_connect_timeout(Some(CONNECT));
        direct.set_keepalive(Some(IDLE));
        let to_proxy = HttpsConnectorBuilder::new()
            .with_tls_config(config.clone())
            .https_or_http()
            .enable_http1()
            .wrap_connector(direct.clone());
        let dial = Dial {
            direct,
            to_proxy,
            proxies: proxies.clone(),
            places: Places::new(connections),
        };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_or_http()
            .enable_http1()
            .wrap_connector(dial);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(connections)
            .http1_max_buf_size(BUFFER)
            .build(connector);
        Ok(Self { client, proxies })
    }

    /// Sends one request; the answer's body follows by itself.
    pub(super) async fn send(&self, mut request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        if request.uri().scheme_str() == Some("http")
            && let Some(proxy) = self.proxies.on_the_way_to(request.uri())
            && let Some(login) = proxy.basic_auth()
        {
            request.headers_mut().insert(PROXY_AUTHORIZATION, login.clone());
        }
        let (served, asked) = (CancellationToken::new(), self.client.request(request));
        let _guard = served.clone().drop_guard();
        Ok(SERVED.scope(served, asked).await?)
    }
}

tokio::task_local! {
    /// Cancelled when the request that is being sent has its answer.
    static SERVED: CancellationToken;
}

/// Opens connections, through a proxy where one is set: a tunnel for HTTPS, plain forwarding for HTTP.
#[derive(Debug, Clone)]
struct Dial {
    direct: HttpConnector,
    to_proxy: HttpsConnector<HttpConnector>,
    proxies: Proxies,
    places: Places,
}

/// So many connections a host may have. The budget of requests does not see to that: a connection goes back to the pool
/// a moment after its answer was handed on, and whoever asks in that moment would open another.
#[derive(Debug, Clone)]
struct Places {
    limit: usize,
    hosts: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
}

impl Places {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            hosts: Arc::default(),
        }
    }

    /// Waits for a place, or for the end of the request that wants one: the pool asks for a connection and for an idle
    /// one at the same time, and takes what it gets first.
    async fn take(self, destination: Uri, served: Option<CancellationToken>) -> Result<Place, BoxError> {
        let host = destination
            .authority()
            .map(ToString::to_string)
            .unwrap_or_default();
        let places = {
            let mut hosts = lock(&self.hosts);
            if hosts.len() >= HOSTS {
                hosts.retain(|_, places| places.available_permits() < self.limit);
            }
            let fresh = || Arc::new(Semaphore::new(self.limit));
            Arc::clone(hosts.entry(host).or_insert_with(fresh))
        };
        let free = Arc::clone(&places).acquire_owned();
        let Some(served) = served else {
            return Ok(Place(free.await?));
        };
        tokio::select! {
            place = free => Ok(Place(place?)),
            () = served.cancelled() => Err("another connection served the request".into()),
        }
    }
}

/// The right to one connection; given back when dropped.
struct Place(#[allow(dead_code)] OwnedSemaphorePermit);

impl Service<Uri> for Dial {
    type Response = Wire;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Wire, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, destination: Uri) -> Self::Future {
        let served = SERVED.try_with(CancellationToken::clone).ok();
        let place = self.places.clone().take(destination.clone(), served);
        let mut dial = self.clone();
        Box::pin(async move {
            let place = place.await?;
            let (stream, proxied) = dial.open(destination).await?;
            Ok(Wire {
                stream,
                proxied,
                _place: place,
            })
        })
    }
}

impl Dial {
    /// A connection, and whether a proxy reads what is sent on it.
    async fn open(&mut self, destination: Uri) -> Result<(Stream, bool), BoxError> {
        let Some(proxy) = self.proxies.on_the_way_to(&destination) else {
            let connected = self.direct.call(destination).await?;
            return Ok((MaybeHttpsStream::Http(connected), false));
        };
        if destination.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(proxy.uri().clone(), self.to_proxy.clone());
            if let Some(login) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(login.clone());
            }
            return Ok((tunnel.call(destination).await?, false));
        }
        Ok((self.to_proxy.call(proxy.uri().clone()).await?, true))
    }
}

/// A connection that knows whether a proxy reads its request lines, which then carry the whole URL.
struct Wire {
    stream: Stream,
    proxied: bool,
    _place: Place,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Connection for Wire {
    fn connected(&self) -> Connected {
        self.stream.connected().proxy(self.proxied)
    }
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }
}
