//! One repository: its tags, its images, its blobs.

use std::collections::HashSet;
use std::fmt;

use bytes::Bytes;
use futures_util::Stream;
use http::header::{ACCEPT as ACCEPT_HEADER, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use oci_spec::image::{Descriptor, Digest};
use serde::Deserialize;
use url::Url;

use super::auth::Scope;
use super::blob::{self, PullError};
use super::call::{Answer, Call};
use super::client::Client;
use super::error::{RequestError, shown};
use super::link;
use super::manifest::{self, ACCEPT, Document, MANIFEST, Resolved};
use super::verify::{digest_like, sha256};

/// Tags asked for at once; registries give fewer when they like.
const PAGE: usize = 1000;
/// The longest page that is read, in bytes: some registries send all tags at once.
const PAGE_BYTES: usize = 16 * 1024 * 1024;
/// Pages of one listing.
const PAGES: usize = 1000;
/// Tags of one listing.
const TAGS: usize = 1_000_000;
/// Indexes within indexes.
const NESTED: usize = 3;

const DIGEST_HEADER: &str = "docker-content-digest";

/// A repository of a client's host, by its full path.
#[derive(Debug, Clone)]
pub struct Repository {
    client: Client,
    path: String,
}

/// What names an image within a repository.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// A tag: today's image.
    Tag(String),
    /// A digest: one image for good.
    Digest(Digest),
}

impl Name {
    /// A tag.
    pub fn tag(tag: impl Into<String>) -> Self {
        Self::Tag(tag.into())
    }
}

impl From<Digest> for Name {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

impl Repository {
    pub(super) fn new(client: Client, path: String) -> Self {
        Self { client, path }
    }

    /// Its path on the host: `modules/echo/release`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// `<host>/<path>:<tag>` or `<host>/<path>@<digest>`, as people write it.
    pub fn reference(&self, name: &Name) -> String {
        let sign = if matches!(name, Name::Tag(_)) { ':' } else { '@' };
        format!("{}/{}{sign}{name}", self.client.host(), self.path)
    }

    /// All tags, page by page (rule REG-1), in the registry's order, each once.
    pub async fn tags(&self) -> Result<Vec<String>, RequestError> {
        #[derive(Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let mut url = self.url("tags/list")?;
        url.set_query(Some(&format!("n={PAGE}")));
        let (mut tags, mut seen) = (Vec::new(), HashSet::new());
        for _ in 0..PAGES {
            let call = Call::new(Method::GET, url.clone())
                .for_scope(self.pull_scope())
                .whole(PAGE_BYTES);
            let answer = self.client.send(&call).await?;
            let nonsense = |reason: String| RequestError::nonsense(&Method::GET, &url, reason);
            let page: Page = serde_json::from_slice(answer.whole())
                .map_err(|error| nonsense(format!("malformed list of tags: {error}")))?;
            let before = tags.len();
            for tag in page.tags.unwrap_or_default() {
                if seen.insert(tag.clone()) {
                    tags.push(tag);
                }
            }
            if tags.len() > TAGS {
                return Err(nonsense(format!("more than {TAGS} tags")));
            }
            let Some(next) = link::next(&answer.headers, &url).map_err(nonsense)? else {
                return Ok(tags);
            };
            if tags.len() == before || next == url {
                return Err(nonsense("the list of tags goes round in circles".to_owned()));
            }
            url = next;
        }
        Err(RequestError::nonsense(
            &Method::GET,
            &url,
            format!("more than {PAGES} pages of tags"),
        ))
    }

    /// The digest that a name stands for now: one HEAD and no bytes (rule REG-5). Registries that do not answer a HEAD,
    /// or without a digest, are asked by GET, which also fetches a refusal's words.
    pub async fn digest(&self, name: &Name) -> Result<Digest, RequestError> {
        let call = self.manifest_call(Method::HEAD, name)?;
        let mut once = false;
        match self.client.send(&call).await {
            Ok(answer) => {
                if let Some(digest) = answer.header(DIGEST_HEADER).and_then(|text| text.parse().ok()) {
                    return Ok(digest);
                }
            }
            // What was tried often enough is asked for its words once.
            Err(error) if error.status().is_some() => once = error.is_transient(),
            Err(error) => return Err(error),
        }
        Ok(self.document(name, once).await?.0)
    }

    /// Finds an image and checks its manifest: by tag what the tag stands for now, by digest exactly that one. Of an
    /// index it is the image for linux on this architecture.
    pub async fn resolve(&self, name: &Name) -> Result<Resolved, RequestError> {
        let (digest, mut document) = self.document(name, false).await?;
        let mut manifest_digest = digest.clone();
        for _ in 0..=NESTED {
            let index = match document {
                Document::Manifest(manifest) => {
                    let layers = manifest.layers().clone();
                    return Ok(Resolved {
                        digest,
                        manifest_digest,
                        manifest: *manifest,
                        layers,
                    });
                }
                Document::Index(index) => index,
            };
            let chosen = manifest::choose(&index).map_err(|reason| self.nonsense(name, reason))?;
            (manifest_digest, document) = self
                .document(&Name::Digest(chosen.digest().clone()), false)
                .await?;
        }
        Err(self.nonsense(name, "too many indexes within indexes"))
    }

    /// Streams a blob, checked against its digest and size: when the stream ends without an error, all bytes were the
    /// right ones. It is taken up again where it breaks, as often as the client's patience says.
    pub fn blob(
        &self,
        descriptor: &Descriptor,
    ) -> impl Stream<Item = Result<Bytes, PullError>> + Send + use<> {
        blob::stream(self.clone(), descriptor)
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn pull_scope(&self) -> Scope {
        Scope::pull(&self.path)
    }

    pub(super) fn push_scope(&self) -> Scope {
        Scope::push(&self.path)
    }

    pub(super) fn blob_url(&self, digest: &Digest) -> Result<Url, RequestError> {
        self.url(&format!("blobs/{digest}"))
    }

    pub(super) fn manifest_url(&self, name: &Name) -> Result<Url, RequestError> {
        self.url(&format!("manifests/{name}"))
    }

    pub(super) fn url(&self, rest: &str) -> Result<Url, RequestError> {
        self.client.url(&format!("/v2/{}/{rest}", self.path))
    }

    /// A manifest or index, checked against the digest that was asked for, or that the registry says it has.
    async fn document(&self, name: &Name, once: bool) -> Result<(Digest, Document), RequestError> {
        let call = self.manifest_call(Method::GET, name)?.whole(MANIFEST);
        let call = if once { call.once() } else { call };
        let answer = self.client.send(&call).await?;
        let nonsense = |reason: String| RequestError::nonsense(&Method::GET, &call.url, reason);
        let digest = checked_digest(name, &answer).map_err(nonsense)?;
        let content_type = answer.header(CONTENT_TYPE.as_str());
        let document = manifest::read(content_type, answer.whole()).map_err(nonsense)?;
        Ok((digest, document))
    }

    fn manifest_call(&self, method: Method, name: &Name) -> Result<Call, RequestError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_HEADER, HeaderValue::from_static(ACCEPT));
        let call = Call::new(method, self.manifest_url(name)?).with_headers(headers);
        Ok(call.for_scope(self.pull_scope()))
    }

    fn nonsense(&self, name: &Name, reason: impl Into<String>) -> RequestError {
        let url = self.manifest_url(name).map(|url| shown(&url)).unwrap_or_default();
        RequestError::Nonsense {
            method: Method::GET,
            url,
            reason: reason.into(),
        }
    }
}

/// The digest of what arrived. It must be the one that was asked for; for a tag, the one that the registry claims.
fn checked_digest(name: &Name, answer: &Answer) -> Result<Digest, String> {
    let body = answer.whole();
    let claimed = match name {
        Name::Digest(digest) => Some(digest.clone()),
        Name::Tag(_) => answer.header(DIGEST_HEADER).and_then(|text| text.parse().ok()),
    };
    let Some(claimed) = claimed else {
        return sha256(body)
            .parse()
            .map_err(|error| format!("the manifest has no digest: {error}"));
    };
    let found = digest_like(&claimed, body)
        .ok_or_else(|| format!("digest {claimed} is of an unsupported algorithm"))?;
    if found == claimed.as_ref() {
        Ok(claimed)
    } else {
        Err(format!("the manifest's digest is {found}, not {claimed}"))
    }
}
