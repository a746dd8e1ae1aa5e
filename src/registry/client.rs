//! Clients, and the way of every request: turn, authorization, redirects, patience.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use http::header::{AUTHORIZATION, CONTENT_LENGTH, LOCATION, USER_AGENT};
use http::{HeaderValue, Method, Request, StatusCode};
use jiff::Timestamp;
use url::Url;

use super::auth::Authorizer;
use super::budget::{Host, Hosts, lock};
use super::call::{Answer, Call, Flow, REDIRECTS, redirect, same_origin};
use super::challenge::challenges;
use super::endpoint::{Credentials, Scheme, Source};
use super::error::{Refusal, RequestError, shown};
use super::patience::{Patience, retry_after};
use super::repository::Repository;
use super::tls::TrustError;
use super::transport::Transport;
use crate::network::Proxies;

/// The default number of requests that one host gets at once.
pub const CONNECTIONS: usize = 8;
/// The highest number that makes sense: beyond it a registry is not faster, only busier.
pub const MAX_CONNECTIONS: usize = 16;

/// An error's body is words; this many bytes of them are read.
const WORDS: usize = 64 * 1024;

/// How a process talks to registries.
#[derive(Debug, Clone)]
pub struct Options {
    /// Requests that one host gets at once, 1 to [`MAX_CONNECTIONS`].
    pub connections: usize,
    /// When to give up.
    pub patience: Patience,
    /// Proxies on the way.
    pub proxies: Proxies,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connections: CONNECTIONS,
            patience: Patience::default(),
            proxies: Proxies::from_env(),
        }
    }
}

/// What all clients of a process share: connections, and what each host has asked for.
#[derive(Debug)]
pub struct Network {
    options: Options,
    hosts: Hosts,
    transports: Mutex<HashMap<Option<String>, Transport>>,
}

impl Network {
    /// A network without connections.
    pub fn new(options: Options) -> Arc<Self> {
        let connections = options.connections.clamp(1, MAX_CONNECTIONS);
        Arc::new(Self {
            hosts: Hosts::new(connections),
            options: Options {
                connections,
                ..options
            },
            transports: Mutex::default(),
        })
    }

    /// A client of one source. Keep it while the source stays as it is: it holds the tokens.
    pub fn client(self: &Arc<Self>, source: Source) -> Result<Client, TrustError> {
        let transport = self.transport(source.ca.as_deref())?;
        Ok(Client(Arc::new(Inner {
            network: Arc::clone(self),
            source,
            transport,
            authorizer: Authorizer::default(),
        })))
    }

    /// Sources with the same idea of whom to trust share connections.
    fn transport(&self, ca: Option<&str>) -> Result<Transport, TrustError> {
        let key = ca.map(ToOwned::to_owned);
        if let Some(known) = lock(&self.transports).get(&key) {
            return Ok(known.clone());
        }
        let options = &self.options;
        let made = Transport::new(ca, options.proxies.clone(), options.connections)?;
        let mut transports = lock(&self.transports);
        // Each change of a `ca` leaves one behind; a handful is kept.
        if transports.len() >= 64 {
            transports.clear();
        }
        Ok(transports.entry(key).or_insert(made).clone())
    }
}

/// A client of one source; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    network: Arc<Network>,
    source: Source,
    transport: Transport,
    authorizer: Authorizer,
}

impl Client {
    /// The source that it talks to.
    pub fn source(&self) -> &Source {
        &self.0.source
    }

    /// A repository of the source's host by its full path, `modules/echo/release`.
    pub fn repository(&self, path: impl Into<String>) -> Repository {
        Repository::new(self.clone(), path.into())
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.0.network.options.patience
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.0.source.credentials.as_ref()
    }

    pub(super) fn scheme(&self) -> Scheme {
        self.0.source.scheme
    }

    pub(super) fn host(&self) -> &str {
        &self.0.source.host
    }

    pub(super) fn base(&self) -> Result<Url, RequestError> {
        self.url("/v2/")
    }

    pub(super) fn url(&self, path: &str) -> Result<Url, RequestError> {
        let source = &self.0.source;
        source.url(path).map_err(|error| RequestError::Address {
            address: format!("{}://{}", source.scheme.as_str(), source.host),
            source: error,
        })
    }

    /// Asks, with authorization where the call has a scope, until there is an answer or patience ends.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, RequestError> {
        let Some(scope) = &call.scope else {
            return self.send_as_it_is(call).await;
        };
        let authorizer = &self.0.authorizer;
        let mut header = authorizer.header(self, scope).await?;
        let mut renewed = false;
        loop {
            match self.patiently(call, header.as_ref()).await? {
                Outcome::Answer(answer) => return Ok(*answer),
                Outcome::Unauthorized(refusal, asked) if !renewed => {
                    renewed = true;
                    header = match authorizer.answer(self, scope, asked, header.as_ref()).await? {
                        Some(header) => Some(header),
                        None => return Err(refusal.into()),
                    };
                }
                Outcome::Unauthorized(refusal, _) => return Err(refusal.into()),
            }
        }
    }

    /// Asks without authorization beyond the call's own headers.
    pub(super) async fn send_as_it_is(&self, call: &Call) -> Result<Answer, RequestError> {
        match self.patiently(call, None).await? {
            Outcome::Answer(answer) => Ok(*answer),
            Outcome::Unauthorized(refusal, _) => Err(refusal.into()),
        }
    }

    /// Tries until there is an answer, a 401, or an end of patience.
    async fn patiently(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
    ) -> Result<Outcome, RequestError> {
        let patience = self.patience();
        let mut failures = 0;
        loop {
            let (failure, host) = match self.follow(call, authorization).await {
                Ok((Try::Done(outcome), _)) => return Ok(outcome),
                Ok((Try::Refused(refusal), host)) => (refusal.into(), Some(host)),
                Err(error) => (error, None),
            };
            let throttled = host.and_then(|host| host.throttled());
            failures += 1;
            if !failure.is_transient() {
                return Err(failure);
            }
            if call.once || failures >= patience.tries {
                return Err(throttled.unwrap_or(failure));
            }
            tracing::debug!(failures, error = %failure, "registry request failed, trying again");
            // Where the host said how long to wait, the next turn does so.
            if throttled.is_none() {
                tokio::time::sleep(patience.pause(failures, fastrand::f64())).await;
            }
        }
    }

    /// One try, redirects included.
    async fn follow(
        &self,
        call: &Call,
        authorization: Option<&HeaderValue>,
    ) -> Result<(Try, Arc<Host>), RequestError> {
        let patience = self.patience();
        let mut url = call.url.clone();
        for _ in 0..=REDIRECTS {
            let host = self.0.network.hosts.of(&url);
            let home = same_origin(&url, &call.url);
            let answer = self
                .once(call, &url, &host, authorization.filter(|_| home))
                .await?;
            let status = answer.status;
            if status.is_success() {
                let answer = match call.whole {
                    Some(limit) => answer.read(limit, patience).await?,
                    None => answer,
                };
                return Ok((Try::Done(Outcome::Answer(Box::new(answer))), host));
            }
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) && call.only_reads() {
                let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                url = redirect(&url, location).map_err(|reason| RequestError::Redirect {
                    method: call.method.clone(),
                    url: shown(&told(&url, call)),
                    reason,
                })?;
                continue;
            }
            let wait = match status {
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                    retry_after(&answer.headers, Timestamp::now())
                }
                _ => None,
            };
            let asked = challenges(&answer.headers);
            let refusal = refusal(answer, call, patience).await;
            if let Some(wait) = wait {
                host.ask_to_wait(wait, status.as_u16(), refusal.code());
            }
            let refused = match status {
                StatusCode::UNAUTHORIZED if home => Try::Done(Outcome::Unauthorized(refusal, asked)),
                _ => Try::Refused(refusal),
            };
            return Ok((refused, host));
        }
        Err(RequestError::Redirect {
            method: call.method.clone(),
            url: shown(&call.url),
            reason: format!("more than {REDIRECTS} redirects"),
        })
    }

    /// One request, up to the head of its answer.
    async fn once(
        &self,
        call: &Call,
        url: &Url,
        host: &Host,
        authorization: Option<&HeaderValue>,
    ) -> Result<Answer, RequestError> {
        let patience = self.patience();
        let turn = host.turn(patience).await?;
        let told = told(url, call);
        let broken = |error| RequestError::broken(&call.method, &told, error);
        let body = call.payload.body().await.map_err(|error| broken(error.into()))?;
        let mut request = Request::builder().method(&call.method).uri(url.as_str());
        if let Some(headers) = request.headers_mut() {
            headers.extend(call.headers.clone());
            if !same_origin(url, &call.url) {
                headers.remove(AUTHORIZATION);
            }
            headers.insert(
                USER_AGENT,
                HeaderValue::from_static(concat!("hatchway/", env!("CARGO_PKG_VERSION"))),
            );
            if matches!(call.method, Method::PUT | Method::POST | Method::PATCH) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(call.payload.length()));
            }
            if let Some(authorization) = authorization {
                headers.insert(AUTHORIZATION, authorization.clone());
            }
        }
        let request = request.body(body).map_err(|error| broken(error.into()))?;
        let sending = self.0.transport.send(request);
        let response = watched(sending, call, patience)
            .await
            .ok_or_else(|| RequestError::Stalled {
                method: call.method.clone(),
                url: shown(&told),
                seconds: patience.stall.as_secs(),
            })?
            .map_err(broken)?;
        let (parts, body) = response.into_parts();
        let flow = Flow::new(body, call.method.clone(), told, turn);
        Ok(Answer::new(parts.status, parts.headers, url.clone(), flow))
    }
}

/// How a patient request ends.
enum Outcome {
    Answer(Box<Answer>),
    Unauthorized(Refusal, Vec<super::challenge::Challenge>),
}

/// How one try ends.
enum Try {
    Done(Outcome),
    Refused(Refusal),
}

/// Waits for an answer for as long as the upload moves, and then for as long as patience says; `None` is a stall.
async fn watched<T>(sending: impl Future<Output = T>, call: &Call, patience: &Patience) -> Option<T> {
    let mut sending = std::pin::pin!(sending);
    let mut before = 0;
    loop {
        let uploaded = call.payload.length() > 0 && before >= call.payload.length();
        let limit = if uploaded { patience.settle } else { patience.stall };
        if let Ok(done) = tokio::time::timeout(limit, &mut sending).await {
            return Some(done);
        }
        let now = call.payload.sent();
        if now == before {
            return None;
        }
        before = now;
    }
}

/// Turns an answer into the refusal that it is. Words that do not arrive are no words.
async fn refusal(answer: Answer, call: &Call, patience: &Patience) -> Refusal {
    let (status, url) = (answer.status, told(&answer.url, call));
    let body = answer.read(WORDS, patience).await;
    let body = body
        .as_ref()
        .map(|answer| answer.whole().as_ref())
        .unwrap_or_default();
    Refusal::new(&call.method, &url, status, body)
}

/// A URL as errors tell it: behind a redirect the query often is a signature that lets in whoever has it.
fn told(url: &Url, call: &Call) -> Url {
    let mut told = url.clone();
    if !same_origin(url, &call.url) {
        told.set_query(None);
    }
    told
}
