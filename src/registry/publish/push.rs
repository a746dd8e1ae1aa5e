//! The writing half of the distribution API: blobs in one piece, manifests by name.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use oci_spec::image::{Digest, MediaType};
use url::Url;

use super::image::Image;
use crate::registry::call::{Call, Payload, redirect, same_origin};
use crate::registry::error::RequestError;
use crate::registry::repository::{Name, Repository};

/// Answers to pushes are short.
const ANSWER: usize = 64 * 1024;

impl Repository {
    /// Pushes an image's blobs, then its manifest under `tag`. `sent` follows the bytes of the layer.
    pub(super) async fn push(
        &self,
        image: &Image,
        tag: &str,
        sent: &Arc<AtomicU64>,
    ) -> Result<(), RequestError> {
        let layer = Payload::File(
            Arc::new(image.layer.file.to_path_buf()),
            image.layer.size,
            Arc::clone(sent),
        );
        self.push_blob(&image.layer.digest, layer).await?;
        self.push_blob(&image.config_digest, Payload::Bytes(image.config.clone()))
            .await?;
        self.push_manifest(image, tag).await
    }

    async fn push_blob(&self, digest: &Digest, payload: Payload) -> Result<(), RequestError> {
        let head = Call::new(Method::HEAD, self.blob_url(digest)?).for_scope(self.push_scope());
        match self.client().send(&head).await {
            Ok(_) => return Ok(()),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => {}
            Err(error) => return Err(error),
        }
        let patience = *self.client().patience();
        let mut failures = 0;
        loop {
            let Err(error) = self.upload(digest, payload.clone()).await else {
                return Ok(());
            };
            failures += 1;
            // An upload that broke is not taken up again but made anew: its old place may be gone.
            let lost = error.status() == Some(StatusCode::NOT_FOUND) && failures > 1;
            if failures >= patience.tries || !(error.is_transient() || lost) {
                return Err(error);
            }
            tokio::time::sleep(patience.pause(failures, fastrand::f64())).await;
        }
    }

    async fn upload(&self, digest: &Digest, payload: Payload) -> Result<(), RequestError> {
        let start = Call::new(Method::POST, self.url("blobs/uploads/")?)
            .for_scope(self.push_scope())
            .whole(ANSWER);
        let answer = self.client().send(&start).await?;
        let mut place = redirect(&answer.url, answer.header(LOCATION.as_str())).map_err(|reason| {
            let reason = format!("{reason}, as the place to upload to");
            RequestError::nonsense(&Method::POST, &start.url, reason)
        })?;
        place.query_pairs_mut().append_pair("digest", digest.as_ref());
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        let put = Call::new(Method::PUT, place)
            .with_headers(headers)
            .with_payload(payload)
            .whole(ANSWER)
            .once();
        let put = self.at_home(put, &start.url);
        self.client().send(&put).await.map(drop)
    }

    async fn push_manifest(&self, image: &Image, tag: &str) -> Result<(), RequestError> {
        let mut headers = HeaderMap::new();
        let media_type = MediaType::ImageManifest.to_string();
        if let Ok(value) = HeaderValue::try_from(media_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        let put = Call::new(Method::PUT, self.manifest_url(&Name::tag(tag))?)
            .with_headers(headers)
            .with_payload(Payload::Bytes(image.manifest.clone()))
            .for_scope(self.push_scope())
            .whole(ANSWER);
        let answer = self.client().send(&put).await?;
        match answer.header("docker-content-digest") {
            Some(stored) if stored != image.digest.as_ref() => {
                let reason = format!("the registry stored {stored} instead of {}", image.digest);
                Err(RequestError::nonsense(&Method::PUT, &put.url, reason))
            }
            _ => Ok(()),
        }
    }

    /// Credentials go along only where the registry itself is.
    fn at_home(&self, call: Call, home: &Url) -> Call {
        if same_origin(&call.url, home) {
            call.for_scope(self.push_scope())
        } else {
            call
        }
    }
}
