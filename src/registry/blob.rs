//! A blob as a stream that is checked against its digest at its end, and taken up again where it broke.

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::try_unfold;
use http::header::{CONTENT_RANGE, RANGE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use oci_spec::image::{Descriptor, Digest};
use url::Url;

use super::call::{Answer, Call, Flow};
use super::error::{RequestError, shown};
use super::repository::Repository;
use super::verify::Hasher;

/// A try that moved at least this many bytes forward gives the used tries back: a long blob on a bad line arrives, one
/// that never moves does not.
const FORWARD: u64 = 1024 * 1024;

/// A blob did not arrive, or not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// A request failed for good.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The stream broke again and again.
    #[error("GET {url}: the blob broke off at {received} of {size} bytes")]
    BrokeOff {
        /// The blob's URL.
        url: String,
        /// What had arrived.
        received: u64,
        /// What was announced.
        size: u64,
        /// The last break; none when the body just ended.
        #[source]
        source: Option<Box<RequestError>>,
    },
    /// More bytes than the manifest says.
    #[error("GET {url}: the blob is longer than its {size} bytes")]
    TooLong {
        /// The blob's URL.
        url: String,
        /// What the manifest says.
        size: u64,
    },
    /// Other bytes than the manifest says.
    #[error("GET {url}: the blob's digest is {found}, not {expected}")]
    WrongDigest {
        /// The blob's URL.
        url: String,
        /// What the manifest says.
        expected: Digest,
        /// What arrived.
        found: String,
    },
    /// A digest that cannot be checked is not trusted.
    #[error("digest {0} is of an unsupported algorithm")]
    UnsupportedDigest(Digest),
}

impl PullError {
    /// Until when the registry asked to be left alone, where that is why (rule REG-7).
    pub fn wait_until(&self) -> Option<jiff::Timestamp> {
        match self {
            Self::Request(error) => error.wait_until(),
            Self::BrokeOff { source, .. } => source.as_ref().and_then(|error| error.wait_until()),
            _ => None,
        }
    }
}

/// Streams a blob. The last item is the last bytes only if all bytes matched size and digest; an error comes in their
/// place otherwise, and what came before it must not be used.
pub(super) fn stream(
    repository: Repository,
    descriptor: &Descriptor,
) -> impl Stream<Item = Result<Bytes, PullError>> + Send + use<> {
    let state = Pull::new(repository, descriptor);
    // The state is built outside of the stream, where its failure is the first item.
    try_unfold((state, false), |(state, done)| async move {
        let mut pull = state?;
        if done {
            return Ok(None);
        }
        Ok(pull.next().await?.map(|(bytes, last)| (bytes, (Ok(pull), last))))
    })
}

struct Pull {
    repository: Repository,
    url: Url,
    digest: Digest,
    size: u64,
    hasher: Option<Hasher>,
    received: u64,
    flow: Option<Flow>,
    /// Bytes that come a second time and are read over.
    over: u64,
    tries_left: u32,
    tried_from: u64,
}

impl Pull {
    fn new(repository: Repository, descriptor: &Descriptor) -> Result<Self, PullError> {
        let digest = descriptor.digest().clone();
        let hasher =
            Hasher::for_digest(&digest).ok_or_else(|| PullError::UnsupportedDigest(digest.clone()))?;
        let url = repository.blob_url(&digest)?;
        let tries_left = repository.client().patience().tries;
        Ok(Self {
            repository,
            url,
            digest,
            size: descriptor.size(),
            hasher: Some(hasher),
            received: 0,
            flow: None,
            over: 0,
            tries_left,
            tried_from: 0,
        })
    }

    /// The next bytes, and whether they are the last. The last ones are held back until the digest is known.
    async fn next(&mut self) -> Result<Option<(Bytes, bool)>, PullError> {
        loop {
            if self.received == self.size {
                self.end().await?;
                return Ok(None);
            }
            if self.flow.is_none() {
                self.flow = Some(self.open().await?);
            }
            let Some(flow) = self.flow.as_mut() else { continue };
            let patience = *self.repository.client().patience();
            match flow.next(&patience).await {
                Ok(Some(mut bytes)) => {
                    if self.over > 0 {
                        let known = usize::try_from(self.over).unwrap_or(usize::MAX).min(bytes.len());
                        bytes = bytes.split_off(known);
                        self.over -= known as u64;
                        if bytes.is_empty() {
                            continue;
                        }
                    }
                    if bytes.len() as u64 > self.size - self.received {
                        return Err(PullError::TooLong {
                            url: shown(&self.url),
                            size: self.size,
                        });
                    }
                    self.received += bytes.len() as u64;
                    if let Some(hasher) = self.hasher.as_mut() {
                        hasher.update(&bytes);
                    }
                    let last = self.received == self.size;
                    if last {
                        self.end().await?;
                    }
                    return Ok(Some((bytes, last)));
                }
                Ok(None) => self.broke_off(None).await?,
                Err(error) if error.is_transient() => self.broke_off(Some(error)).await?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// All bytes are here: nothing may follow, and they must be the right ones.
    async fn end(&mut self) -> Result<(), PullError> {
        if self.size == 0 && self.flow.is_none() && self.received == 0 {
            // An empty blob is asked for all the same: that it is there is a part of the answer.
            self.flow = Some(self.open().await?);
        }
        if let Some(mut flow) = self.flow.take() {
            let patience = *self.repository.client().patience();
            // A break after the last byte costs nothing.
            if let Ok(Some(_)) = flow.next(&patience).await {
                return Err(PullError::TooLong {
                    url: shown(&self.url),
                    size: self.size,
                });
            }
        }
        let Some(hasher) = self.hasher.take() else {
            return Ok(());
        };
        let found = hasher.finish();
        if found == self.digest.as_ref() {
            return Ok(());
        }
        Err(PullError::WrongDigest {
            url: shown(&self.url),
            expected: self.digest.clone(),
            found,
        })
    }

    /// Asks for the rest. A registry that sends all of it again is read over up to where the stream was.
    async fn open(&mut self) -> Result<Flow, PullError> {
        self.tried_from = self.received;
        let mut headers = HeaderMap::new();
        if self.received > 0
            && let Ok(range) = HeaderValue::try_from(format!("bytes={}-", self.received))
        {
            headers.insert(RANGE, range);
        }
        let scope = self.repository.pull_scope();
        let call = Call::new(Method::GET, self.url.clone())
            .with_headers(headers)
            .for_scope(scope);
        let answer = self.repository.client().send(&call).await?;
        let start =
            starts_at(&answer).map_err(|reason| RequestError::nonsense(&Method::GET, &self.url, reason))?;
        if start > self.received {
            let reason = format!("asked for bytes from {}, got them from {start}", self.received);
            return Err(RequestError::nonsense(&Method::GET, &self.url, reason).into());
        }
        self.over = self.received - start;
        let no_body = || RequestError::nonsense(&Method::GET, &self.url, "no body");
        Ok(answer.into_flow().ok_or_else(no_body)?)
    }

    async fn broke_off(&mut self, source: Option<RequestError>) -> Result<(), PullError> {
        self.flow = None;
        let patience = *self.repository.client().patience();
        if self.received - self.tried_from >= FORWARD {
            self.tries_left = patience.tries;
        }
        self.tries_left = self.tries_left.saturating_sub(1);
        if self.tries_left == 0 {
            return Err(self.too_short(source));
        }
        let failures = patience.tries - self.tries_left;
        tracing::debug!(blob = %self.digest, received = self.received, "blob broke off, taking it up again");
        tokio::time::sleep(patience.pause(failures, fastrand::f64())).await;
        Ok(())
    }

    fn too_short(&self, source: Option<RequestError>) -> PullError {
        PullError::BrokeOff {
            url: shown(&self.url),
            received: self.received,
            size: self.size,
            source: source.map(Box::new),
        }
    }
}

/// Where an answer's bytes begin: 0 without a range.
fn starts_at(answer: &Answer) -> Result<u64, String> {
    if answer.status != StatusCode::PARTIAL_CONTENT {
        return Ok(0);
    }
    let text = answer.header(CONTENT_RANGE.as_str()).unwrap_or_default();
    range_start(text).ok_or_else(|| format!("the Content-Range \"{text}\" cannot be read"))
}

/// `bytes 5-9/10` → 5.
fn range_start(text: &str) -> Option<u64> {
    let (range, _) = text.trim().strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    (first <= last).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_where_a_range_begins() {
        for (text, expected) in [
            ("bytes 5-9/10", Some(5)),
            ("bytes 0-9/*", Some(0)),
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("items 5-9/10", None),
            ("", None),
        ] {
            assert_eq!(range_start(text), expected, "{text}");
        }
    }
}
