//! A proxy in front of a real registry (or token service) that gets in the way as told, and remembers what it was asked.
//!
//! One request per connection, passed on as HTTP/1.0 so that the answer ends with its connection: whole in memory, it can
//! be changed byte by byte. What is asked of it as of a forwarding proxy, or by CONNECT, it takes to its one registry, too.

mod message;

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use self::message::{Answer, Request};
use super::authority::KeyFiles;

/// What happens to a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This answer, of which the registry knows nothing.
    Answer {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// The connection is reset before an answer.
    Reset,
    /// No answer for as long as the other side waits.
    Silence,
    /// The registry's answer, closed after so many bytes of its body.
    Cut(usize),
    /// The same, but reset.
    CutByReset(usize),
    /// The registry's answer up to so many bytes of its body, and then nothing for as long as the other side waits.
    Stall(usize),
    /// `Content-Length` says so many bytes more, or less.
    Length(i64),
    /// The byte at this place of the body (from 0) comes upside down.
    Flip(usize),
    /// This header instead of the registry's; an empty one is left out.
    Header(&'static str, String),
    /// The registry's answer, without its length, and then bytes without an end.
    Endless,
}

impl Fault {
    /// A refusal in the form of registries: `{"errors":[{"code":…,"message":…}]}`.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        Self::Answer {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#),
        }
    }

    /// A way to elsewhere.
    pub(crate) fn redirect(status: u16, to: impl Into<String>) -> Self {
        Self::Answer {
            status,
            headers: vec![("location", to.into())],
            body: String::new(),
        }
    }

    /// The answer with a header more.
    pub(crate) fn with(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::Answer {
                status,
                mut headers,
                body,
            } => {
                headers.push((name, value.into()));
                Self::Answer {
                    status,
                    headers,
                    body,
                }
            }
            other => other,
        }
    }
}

/// Which requests meet with a fault: by method, by a part of path and query, by how many such came before.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    method: &'static str,
    part: String,
    which: Range<usize>,
    fault: Fault,
}

impl Rule {
    /// Every such request.
    pub(crate) fn each(method: &'static str, part: impl Into<String>, fault: Fault) -> Self {
        Self {
            method,
            part: part.into(),
            which: 0..usize::MAX,
            fault,
        }
    }

    /// The first `count` of them.
    pub(crate) fn first(count: usize, method: &'static str, part: impl Into<String>, fault: Fault) -> Self {
        Self {
            which: 0..count,
            ..Self::each(method, part, fault)
        }
    }

    /// Number `number` of them, counted from 0.
    pub(crate) fn nth(number: usize, method: &'static str, part: impl Into<String>, fault: Fault) -> Self {
        Self {
            which: number..number + 1,
            ..Self::each(method, part, fault)
        }
    }
}

/// One request, as the proxy saw it.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query; of a CONNECT the host.
    pub(crate) target: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
    pub(crate) proxy_authorization: Option<String>,
    pub(crate) at: Instant,
    /// 0 where there was no answer.
    pub(crate) status: u16,
    /// How much of the answer's body went out.
    pub(crate) sent: usize,
}

/// A running proxy; ends when it is dropped.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    runtime: Option<Runtime>,
}

struct Shared {
    upstream: SocketAddr,
    tls: Option<TlsAcceptor>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rules: Vec<(Rule, usize)>,
    asked: Vec<Asked>,
}

impl FaultProxy {
    /// In front of a server that speaks plain HTTP on `host`.
    pub(crate) fn start(host: &str) -> Self {
        Self::run(host, None)
    }

    /// The same, spoken to over TLS.
    pub(crate) fn secure(host: &str, files: &KeyFiles) -> Self {
        hatchway::certificates::install_provider();
        let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                chain.map(Result::unwrap).collect(),
                PrivateKeyDer::from_pem_file(&files.key).unwrap(),
            )
            .unwrap();
        Self::run(host, Some(TlsAcceptor::from(Arc::new(config))))
    }

    fn run(host: &str, tls: Option<TlsAcceptor>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared {
            upstream: host.parse().unwrap(),
            tls,
            state: Mutex::default(),
        });
        let all = Arc::clone(&shared);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                // A connection that breaks is the other side's matter.
                tokio::spawn(async move {
                    match &shared.tls {
                        Some(tls) => shared.serve(tls.accept(stream).await?).await,
                        None => shared.serve(stream).await,
                    }
                });
            }
        });
        Self {
            address,
            scheme,
            shared,
            runtime: Some(runtime),
        }
    }

    /// `127.0.0.1:PORT`, as it stands in references.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`, or `https://…`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// From now on these rules hold, the first that fits; what was asked is forgotten.
    pub(crate) fn obey(&self, rules: &[Rule]) {
        let mut state = self.shared.state.lock().unwrap();
        state.rules = rules.iter().map(|rule| (rule.clone(), 0)).collect();
        state.asked.clear();
    }

    /// What was asked under these rules, oldest first.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.state.lock().unwrap().asked.clone()
    }

    /// The requests whose path holds `part`.
    pub(crate) fn asked_for(&self, part: &str) -> Vec<Asked> {
        let mut asked = self.asked();
        asked.retain(|one| one.target.contains(part));
        asked
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // Allowed inside another runtime, too, where waiting is not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Shared {
    async fn serve<S: Wire>(&self, mut stream: S) -> io::Result<()> {
        let Some(request) = Request::read(&mut stream).await? else {
            return Ok(());
        };
        let (number, fault) = self.note(&request);
        if request.method == "CONNECT" {
            let mut upstream = TcpStream::connect(self.upstream).await?;
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            return copy_bidirectional(&mut stream, &mut upstream).await.map(drop);
        }
        match &fault {
            Some(Fault::Reset) => return stream.reset(),
            Some(Fault::Silence) => return until_closed(&mut stream).await,
            Some(Fault::Answer {
                status,
                headers,
                body,
            }) => {
                let headers = headers
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), value.clone()));
                let mut answer = Answer {
                    status: *status,
                    headers: headers.collect(),
                    body: body.clone().into_bytes(),
                };
                answer.set("content-length", body.len().to_string());
                return self.send(number, stream, &request, answer, None).await;
            }
            _ => {}
        }
        let answer = request.pass_on(self.upstream).await?;
        self.send(number, stream, &request, answer, fault).await
    }

    /// Remembers a request and finds its fault.
    fn note(&self, request: &Request) -> (usize, Option<Fault>) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(Asked {
            method: request.method.clone(),
            target: request.target.clone(),
            range: request.header("range"),
            authorization: request.header("authorization"),
            proxy_authorization: request.header("proxy-authorization"),
            at: Instant::now(),
            status: 0,
            sent: 0,
        });
        let number = state.asked.len() - 1;
        let fits = |rule: &Rule| rule.method == request.method && request.target.contains(&rule.part);
        let mut fault = None;
        for (rule, met) in state.rules.iter_mut().filter(|(rule, _)| fits(rule)) {
            *met += 1;
            if fault.is_none() && rule.which.contains(&(*met - 1)) {
                fault = Some(rule.fault.clone());
            }
        }
        (number, fault)
    }

    async fn send<S: Wire>(
        &self,
        number: usize,
        mut stream: S,
        request: &Request,
        mut answer: Answer,
        fault: Option<Fault>,
    ) -> io::Result<()> {
        let told = |change: &dyn Fn(&mut Asked)| {
            // Forgotten when new rules came meanwhile.
            if let Some(asked) = self.state.lock().unwrap().asked.get_mut(number) {
                change(asked);
            }
        };
        let mut end = answer.body.len();
        match &fault {
            Some(Fault::Header(name, value)) => answer.set(name, value.clone()),
            Some(Fault::Length(more)) => {
                let length = i64::try_from(answer.body.len()).unwrap() + more;
                answer.set("content-length", length.to_string());
            }
            Some(Fault::Flip(at)) => answer.body[*at] = !answer.body[*at],
            Some(Fault::Cut(at) | Fault::CutByReset(at) | Fault::Stall(at)) => end = (*at).min(end),
            Some(Fault::Endless) => answer.set("content-length", String::new()),
            _ => {}
        }
        answer.set("connection", "close".to_owned());
        let status = answer.status;
        told(&|asked| asked.status = status);
        stream.write_all(answer.head().as_bytes()).await?;
        if request.method == "HEAD" {
            return stream.shutdown().await;
        }
        for piece in answer.body[..end].chunks(64 * 1024) {
            stream.write_all(piece).await?;
            told(&|asked| asked.sent += piece.len());
        }
        stream.flush().await?;
        match fault {
            Some(Fault::CutByReset(_)) => {
                // A reset takes along what is still on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                stream.reset()
            }
            Some(Fault::Stall(_)) => until_closed(&mut stream).await,
            Some(Fault::Endless) => {
                let blanks = vec![b' '; 64 * 1024];
                loop {
                    stream.write_all(&blanks).await?;
                    told(&|asked| asked.sent += blanks.len());
                }
            }
            _ => stream.shutdown().await,
        }
    }
}

/// Ends when the other side has enough.
async fn until_closed(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    Ok(())
}

/// A connection that can be reset.
trait Wire: AsyncRead + AsyncWrite + Unpin {
    fn reset(self) -> io::Result<()>;
}

impl Wire for TcpStream {
    fn reset(self) -> io::Result<()> {
        // Closed without a linger is a reset, whatever was read of it.
        self.set_zero_linger()
    }
}

impl Wire for TlsStream<TcpStream> {
    fn reset(self) -> io::Result<()> {
        self.get_ref().0.set_zero_linger()
    }
}
