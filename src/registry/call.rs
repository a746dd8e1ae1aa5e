//! One question to a registry and its answer: what is asked, how the answer is read, where redirects may lead.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Body as _, Frame, Incoming};
use tokio_util::io::ReaderStream;
use url::Url;

use super::auth::Scope;
use super::budget::Turn;
use super::error::{RequestError, shown};
use super::patience::Patience;
use super::transport::Body;

/// Files are sent in pieces of this many bytes.
const PIECE: usize = 256 * 1024;
/// Redirects that are followed.
pub(super) const REDIRECTS: u32 = 5;

/// A question.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) payload: Payload,
    /// What it needs a token for; `None` is asked without authorization.
    pub(super) scope: Option<Scope>,
    /// Read the answer's body whole, up to this many bytes; `None` leaves it to be streamed.
    pub(super) whole: Option<usize>,
    /// Tried once only; whoever asks knows better how to go on after a failure.
    pub(super) once: bool,
}

/// What a question carries. It can be sent again.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    Bytes(Bytes),
    /// A file from its beginning, its length in bytes, and how many of them the present try has sent.
    File(Arc<std::path::PathBuf>, u64, Arc<AtomicU64>),
}

/// An answer with status 2xx.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Where it came from in the end.
    pub(super) url: Url,
    whole: Bytes,
    flow: Option<Flow>,
}

/// A body on its way; holds its turn with the host until it is dropped.
#[derive(Debug)]
pub(super) struct Flow {
    body: Incoming,
    method: Method,
    /// As errors tell it.
    url: Url,
    _turn: Turn,
}

impl Call {
    pub(super) fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            payload: Payload::None,
            scope: None,
            whole: None,
            once: false,
        }
    }

    pub(super) fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    pub(super) fn with_payload(self, payload: Payload) -> Self {
        Self { payload, ..self }
    }

    pub(super) fn for_scope(self, scope: Scope) -> Self {
        Self {
            scope: Some(scope),
            ..self
        }
    }

    pub(super) fn whole(self, limit: usize) -> Self {
        Self {
            whole: Some(limit),
            ..self
        }
    }

    pub(super) fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Whether it may be sent elsewhere, and again, without a second thought.
    pub(super) fn only_reads(&self) -> bool {
        matches!(self.method, Method::GET | Method::HEAD)
    }
}

impl Payload {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::None => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length, _) => *length,
        }
    }

    /// How many bytes of a file the present try has sent.
    pub(super) fn sent(&self) -> u64 {
        match self {
            Self::File(_, _, sent) => sent.load(Ordering::Relaxed),
            Self::None | Self::Bytes(_) => 0,
        }
    }

    /// A body to send.
    pub(super) async fn body(&self) -> io::Result<Body> {
        Ok(match self {
            Self::None => Empty::new().map_err(|never| match never {}).boxed_unsync(),
            Self::Bytes(bytes) => Full::new(bytes.clone())
                .map_err(|never| match never {})
                .boxed_unsync(),
            Self::File(path, length, sent) => {
                let file = tokio::fs::File::open(path.as_ref()).await?;
                sent.store(0, Ordering::Relaxed);
                let sent = Arc::clone(sent);
                let pieces = ReaderStream::with_capacity(tokio::io::AsyncReadExt::take(file, *length), PIECE);
                let frames = pieces.map_ok(move |piece| {
                    sent.fetch_add(piece.len() as u64, Ordering::Relaxed);
                    Frame::data(piece)
                });
                BodyExt::boxed_unsync(StreamBody::new(frames))
            }
        })
    }
}

impl Answer {
    pub(super) fn new(status: StatusCode, headers: HeaderMap, url: Url, flow: Flow) -> Self {
        Self {
            status,
            headers,
            url,
            whole: Bytes::new(),
            flow: Some(flow),
        }
    }

    /// Reads the body to its end and gives the turn back.
    pub(super) async fn read(mut self, limit: usize, patience: &Patience) -> Result<Self, RequestError> {
        if let Some(flow) = self.flow.take() {
            self.whole = flow.read(limit, patience).await?;
        }
        Ok(self)
    }

    /// The body of a call that reads whole ones.
    pub(super) fn whole(&self) -> &Bytes {
        &self.whole
    }

    /// The body of a call that streams.
    pub(super) fn into_flow(self) -> Option<Flow> {
        self.flow
    }

    /// A header as text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl Flow {
    pub(super) fn new(body: Incoming, method: Method, url: Url, turn: Turn) -> Self {
        Self {
            body,
            method,
            url,
            _turn: turn,
        }
    }

    /// The next bytes; `None` is the end that the answer announced.
    pub(super) async fn next(&mut self, patience: &Patience) -> Result<Option<Bytes>, RequestError> {
        loop {
            let frame = tokio::time::timeout(patience.stall, self.body.frame())
                .await
                .map_err(|_| self.stalled(patience))?;
            match frame {
                None => return Ok(None),
                Some(Err(error)) => return Err(RequestError::broken(&self.method, &self.url, error)),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    async fn read(mut self, limit: usize, patience: &Patience) -> Result<Bytes, RequestError> {
        let too_long = || RequestError::TooLong {
            method: self.method.clone(),
            url: shown(&self.url),
            limit,
        };
        if self.method != Method::HEAD && self.body.size_hint().lower() > limit as u64 {
            return Err(too_long());
        }
        let mut first: Option<Bytes> = None;
        let mut all = BytesMut::new();
        while let Some(data) = self.next(patience).await? {
            let length = first.as_ref().map_or(0, Bytes::len) + all.len() + data.len();
            if length > limit {
                return Err(RequestError::TooLong {
                    method: self.method,
                    url: shown(&self.url),
                    limit,
                });
            }
            // Most answers are one piece, which then is not copied.
            match first.take() {
                None if all.is_empty() => first = Some(data),
                None => all.extend_from_slice(&data),
                Some(start) => {
                    all.extend_from_slice(&start);
                    all.extend_from_slice(&data);
                }
            }
        }
        Ok(first.unwrap_or_else(|| all.freeze()))
    }

    fn stalled(&self, patience: &Patience) -> RequestError {
        RequestError::Stalled {
            method: self.method.clone(),
            url: shown(&self.url),
            seconds: patience.stall.as_secs(),
        }
    }
}

/// Where a redirect leads, if it may: never from HTTPS to HTTP.
pub(super) fn redirect(from: &Url, location: Option<&str>) -> Result<Url, String> {
    let location = location.ok_or("a redirect without a Location")?;
    let mut to = from
        .join(location)
        .map_err(|_| "a redirect to a Location that cannot be read".to_owned())?;
    if !matches!(to.scheme(), "http" | "https") || to.host_str().is_none() {
        return Err("a redirect to what is no web address".to_owned());
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(format!(
            "a redirect from HTTPS to HTTP, to host \"{}\"",
            to.host_str().unwrap_or_default()
        ));
    }
    to.set_fragment(None);
    let _ = (to.set_username(""), to.set_password(None));
    Ok(to)
}

/// Whether credentials for one URL may be shown to the other: the same scheme, host and port.
pub(super) fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme()
        && a.host_str() == b.host_str()
        && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_redirects_but_never_down_to_http() {
        let from = Url::parse("https://registry.example.com/v2/m/blobs/x").unwrap();
        let to = |location| redirect(&from, location).map(|url| url.to_string());
        assert_eq!(to(Some("/a?b")).unwrap(), "https://registry.example.com/a?b");
        assert_eq!(
            to(Some("y")).unwrap(),
            "https://registry.example.com/v2/m/blobs/y"
        );
        assert_eq!(
            to(Some("//cdn.example.com/x#f")).unwrap(),
            "https://cdn.example.com/x"
        );
        assert_eq!(
            to(Some("https://u:p@cdn.example.com/x")).unwrap(),
            "https://cdn.example.com/x"
        );
        for refused in [
            Some("http://cdn.example.com/x"),
            Some("file:///etc/passwd"),
            Some("https://"),
            None,
        ] {
            to(refused).unwrap_err();
        }
        let plain = Url::parse("http://registry.example.com/").unwrap();
        assert_eq!(
            redirect(&plain, Some("https://a.example.com/")).unwrap().scheme(),
            "https"
        );
    }

    #[test]
    fn shows_credentials_to_the_same_origin_alone() {
        let url = |text: &str| Url::parse(text).unwrap();
        let home = url("https://registry.example.com/a");
        assert!(same_origin(&home, &url("https://registry.example.com:443/b")));
        for other in [
            "http://registry.example.com/a",
            "https://registry.example.com:5000/a",
            "https://x.registry.example.com/a",
        ] {
            assert!(!same_origin(&home, &url(other)), "{other}");
        }
    }
}
