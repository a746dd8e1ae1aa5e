//! A read-only registry out of an OCI layout, for authors and tests: the distribution API's reading half. It knows no
//! users and no TLS, and is not for production.

mod answer;
mod catalog;

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, LINK, RANGE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use oci_spec::image::Digest;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::net::TcpListener;
use tokio_util::io::ReaderStream;

use self::answer::{Refused, json_answer, versioned};
use self::catalog::{Catalog, Repositories};
use super::layout::{Layout, LayoutError};
use super::manifest::MANIFEST;

/// Blobs are read in pieces of this many bytes.
const PIECE: usize = 256 * 1024;
const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// Answers on a listener until `shutdown` comes, then lets what is under way come to its end.
pub async fn serve(
    listener: TcpListener,
    layout: Layout,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(layout))
        .with_graceful_shutdown(shutdown)
        .await
}

/// The routes: `/v2/`, tags with pages, manifests, blobs with ranges. The layout is read again whenever its index
/// changes.
pub fn router(layout: Layout) -> Router {
    Router::new()
        .fallback(answer)
        .with_state(Arc::new(Catalog::new(layout)))
}

async fn answer(State(catalog): State<Arc<Catalog>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Some(rest) = path.strip_prefix("/v2") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Refused::unsupported();
    }
    if matches!(rest, "" | "/") {
        return json_answer(StatusCode::OK, &json!({}));
    }
    let reading = Arc::clone(&catalog);
    let repositories = match tokio::task::spawn_blocking(move || reading.repositories()).await {
        Ok(Ok(repositories)) => repositories,
        Ok(Err(error)) => return Refused::broken(&error).into_response(),
        Err(error) => return Refused::broken(&error).into_response(),
    };
    let rest = rest.trim_start_matches('/');
    let answered = if let Some(name) = rest.strip_suffix("/tags/list") {
        tags(&repositories, name, request.uri().query().unwrap_or_default())
    } else if let Some((name, reference)) = rest.rsplit_once("/manifests/") {
        manifest(&catalog, &repositories, name, reference).await
    } else if let Some((name, digest)) = rest.rsplit_once("/blobs/") {
        let (parts, _) = request.into_parts();
        blob(&catalog.layout, &repositories, name, digest, &parts).await
    } else {
        return StatusCode::NOT_FOUND.into_response();
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

fn tags(repositories: &Repositories, name: &str, query: &str) -> Result<Response, Refused> {
    let listed = repositories
        .get(name)
        .ok_or_else(|| Refused::name_unknown(name))?;
    let (mut page, mut last) = (None, None);
    for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match key.as_ref() {
            "n" => {
                page = Some(
                    value
                        .parse::<usize>()
                        .map_err(|_| Refused::page_invalid(&value))?,
                );
            }
            "last" => last = Some(value.into_owned()),
            _ => {}
        }
    }
    let after = |tag: &&String| last.as_ref().is_none_or(|last| *tag > last);
    let mut tags: Vec<_> = listed.tags.keys().filter(after).collect();
    let mut next = None;
    if let Some(page) = page
        && tags.len() > page
    {
        tags.truncate(page);
        next = tags.last().map(|last| {
            let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
            format!("</v2/{name}/tags/list?last={last}&n={page}>; rel=\"next\"")
        });
    }
    let mut response = json_answer(StatusCode::OK, &json!({ "name": name, "tags": tags }));
    if let Some(link) = next.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    Ok(response)
}

async fn manifest(
    catalog: &Catalog,
    repositories: &Repositories,
    name: &str,
    reference: &str,
) -> Result<Response, Refused> {
    let listed = repositories
        .get(name)
        .ok_or_else(|| Refused::name_unknown(name))?;
    let (digest, unknown) = if reference.contains(':') {
        let digest: Digest = reference.parse().map_err(|_| Refused::digest_invalid())?;
        (digest, Refused::manifest_unknown(name, reference))
    } else {
        let descriptor = listed
            .tags
            .get(reference)
            .ok_or_else(|| Refused::tag_unknown(reference))?;
        (descriptor.digest().clone(), Refused::tag_unknown(reference))
    };
    let Some(media_type) = listed.manifests.get(digest.as_ref()) else {
        return Err(unknown);
    };
    let layout = catalog.layout.clone();
    let read = digest.clone();
    let bytes = match tokio::task::spawn_blocking(move || layout.read_blob(&read, MANIFEST as u64)).await {
        Ok(Ok(Some(bytes))) => bytes,
        Ok(Ok(None)) => return Err(unknown),
        Ok(Err(error)) => return Err(Refused::broken(&error)),
        Err(error) => return Err(Refused::broken(&error)),
    };
    let mut headers = HeaderMap::new();
    put(&mut headers, CONTENT_TYPE, media_type.as_ref());
    put(&mut headers, CONTENT_LENGTH, &bytes.len().to_string());
    named(&mut headers, &digest);
    Ok(versioned((headers, bytes).into_response()))
}

async fn blob(
    layout: &Layout,
    repositories: &Repositories,
    name: &str,
    digest: &str,
    request: &Parts,
) -> Result<Response, Refused> {
    repositories
        .get(name)
        .ok_or_else(|| Refused::name_unknown(name))?;
    let digest: Digest = digest.parse().map_err(|_| Refused::digest_invalid())?;
    let path = layout.blob_path(&digest);
    let broken = |source| {
        Refused::broken(&LayoutError::Access {
            path: path.clone(),
            source,
        })
    };
    let mut file = match tokio::fs::File::open(&path).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Refused::blob_unknown(digest.as_ref()));
        }
        Err(error) => return Err(broken(error)),
    };
    let size = file.metadata().await.map_err(broken)?.len();
    let asked = request.headers.get(RANGE).and_then(|value| value.to_str().ok());
    let (status, start, length) = match asked.map_or(Part::Whole, |text| part(text, size)) {
        Part::Whole => (StatusCode::OK, 0, size),
        Part::Range { start, length } => (StatusCode::PARTIAL_CONTENT, start, length),
        Part::Beyond => return Ok(Refused::range_invalid(size)),
    };
    let mut headers = HeaderMap::new();
    put(&mut headers, CONTENT_TYPE, "application/octet-stream");
    put(&mut headers, CONTENT_LENGTH, &length.to_string());
    put(&mut headers, ACCEPT_RANGES, "bytes");
    if status == StatusCode::PARTIAL_CONTENT {
        put(
            &mut headers,
            CONTENT_RANGE,
            &format!("bytes {start}-{}/{size}", start + length - 1),
        );
    }
    named(&mut headers, &digest);
    let body = if request.method == Method::HEAD {
        Body::empty()
    } else {
        file.seek(io::SeekFrom::Start(start)).await.map_err(broken)?;
        Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE))
    };
    Ok(versioned((status, headers, body).into_response()))
}

/// What of a blob is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    Range { start: u64, length: u64 },
    Beyond,
}

/// Reads `bytes=5-9`, `bytes=5-`, `bytes=-5`. Of several ranges and other units all is sent (RFC 9110, 14.2).
fn part(text: &str, size: u64) -> Part {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Part::Whole;
    };
    let (first, last) = (first.trim(), last.trim());
    let range = |start: u64, length: u64| {
        if length > 0 {
            Part::Range { start, length }
        } else {
            Part::Beyond
        }
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Err(_), Ok(suffix)) if first.is_empty() => {
            let length = suffix.min(size);
            range(size - length, length)
        }
        (Ok(first), Ok(last)) if first <= last => {
            range(first, size.min(last.saturating_add(1)).saturating_sub(first))
        }
        (Ok(first), Err(_)) if last.is_empty() => range(first, size.saturating_sub(first)),
        _ => Part::Whole,
    }
}

fn named(headers: &mut HeaderMap, digest: &Digest) {
    put(headers, DIGEST, digest.as_ref());
    put(headers, ETAG, &format!("\"{digest}\""));
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        let range = |start, length| Part::Range { start, length };
        for (text, expected) in [
            ("bytes=0-4", range(0, 5)),
            ("bytes=5-", range(5, 5)),
            ("bytes=-3", range(7, 3)),
            ("bytes=-30", range(0, 10)),
            ("bytes=0-99", range(0, 10)),
            ("bytes=0-18446744073709551615", range(0, 10)),
            ("bytes=10-", Part::Beyond),
            ("bytes=10-12", Part::Beyond),
            ("bytes=-0", Part::Beyond),
            ("bytes=4-2", Part::Whole),
            ("bytes=0-1,3-4", Part::Whole),
            ("items=0-4", Part::Whole),
            ("bytes=-", Part::Whole),
            ("", Part::Whole),
        ] {
            assert_eq!(part(text, 10), expected, "{text}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Beyond);
    }
}
