//! References as people type them: `registry.example.com/modules/echo:v1.0.0`.

use std::str::FromStr;

use super::endpoint::{Scheme, Source};
use super::repository::Name;
use crate::archive::Hasher;
use crate::values::{ImageTag, ParseImageTagError, ParseRepositoryError, Repository};

/// What Docker Hub is called, and where its own images lie: what is meant by a reference without a host.
const HUB: &str = "docker.io";
const HUB_FORMERLY: &str = "index.docker.io";
const HUB_FOLDER: &str = "library";

/// Where one image is: the host, the repository's path on it, and its name there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Host with an optional port.
    pub host: String,
    /// The repository's whole path.
    pub path: String,
    /// Tag or digest; a digest wins where both are given.
    pub name: Name,
}

/// A text that names no image.
#[derive(Debug, thiserror::Error)]
pub enum ParseReferenceError {
    /// Without a tag, `latest` would be meant, and modules have none.
    #[error("\"{0}\" names no tag, write HOST/PATH:TAG or HOST/PATH@DIGEST")]
    NoName(String),
    /// The digest is none, or of an algorithm that is not known.
    #[error("\"{0}\": the digest cannot be read")]
    Digest(String),
    /// The tag is none.
    #[error(transparent)]
    Tag(#[from] ParseImageTagError),
    /// Its repository is none.
    #[error(transparent)]
    Repository(#[from] ParseRepositoryError),
}

impl ImageReference {
    /// An anonymous source for its host, by the default scheme.
    pub fn source(&self, with_ca: bool) -> Source {
        Source::new(Scheme::default_for(&self.host, with_ca), &self.host, "")
    }
}

impl FromStr for ImageReference {
    type Err = ParseReferenceError;

    // By hand, for the one regular expression with which oci-spec does it takes 20 ms and 30 MiB to be made ready: more
    // than the whole pull of a small image.
    fn from_str(text: &str) -> Result<Self, ParseReferenceError> {
        let (named, digest) = match text.split_once('@') {
            Some((named, digest)) => (named, Some(digest)),
            None => (text, None),
        };
        // A colon before a slash is that of a port.
        let (place, tag) = match named.rsplit_once(':') {
            Some((place, tag)) if !tag.contains('/') => (place, Some(ImageTag::parse(tag)?)),
            _ => (named, None),
        };
        let name = match (digest, tag) {
            (Some(digest), _) => {
                let known = Hasher::of(digest).and_then(|_| digest.parse().ok());
                Name::Digest(known.ok_or_else(|| ParseReferenceError::Digest(text.to_owned()))?)
            }
            (None, Some(tag)) => Name::tag(tag.as_str()),
            (None, None) => return Err(ParseReferenceError::NoName(text.to_owned())),
        };
        let (host, path) = split_host(place);
        let repository = Repository::parse(&format!("{host}/{path}"))?;
        Ok(Self {
            host: repository.host().to_owned(),
            path: repository.path().to_owned(),
            name,
        })
    }
}

/// Host and path by docker's rule: what stands before the first slash is a host if it has a dot or a port or is
/// `localhost`, and else all is a path on Docker Hub.
fn split_host(place: &str) -> (&str, String) {
    let host = place
        .split_once('/')
        .filter(|(host, _)| host.contains(['.', ':']) || *host == "localhost");
    let (host, path) = host.unwrap_or((HUB, place));
    let host = if host == HUB_FORMERLY { HUB } else { host };
    if host == HUB && !path.contains('/') {
        return (host, format!("{HUB_FOLDER}/{path}"));
    }
    (host, path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_tags_and_digests() {
        let digest = format!("sha256:{}", "a".repeat(64));
        let by_digest = format!("registry.example.com/m/echo@{digest}");
        let both = format!("registry.example.com/m/echo:v1@{digest}");
        for (text, host, path, name) in [
            (
                "registry.example.com/m/echo:v1.0.0",
                "registry.example.com",
                "m/echo",
                "v1.0.0",
            ),
            ("localhost:5000/echo:x", "localhost:5000", "echo", "x"),
            (
                "127.0.0.1:5000/modules/echo/release:alpha",
                "127.0.0.1:5000",
                "modules/echo/release",
                "alpha",
            ),
            ("[::1]:5000/m/echo:x", "[::1]:5000", "m/echo", "x"),
            ("echo:x", "docker.io", "library/echo", "x"),
            ("m/echo:x", "docker.io", "m/echo", "x"),
            ("index.docker.io/echo:x", "docker.io", "library/echo", "x"),
            (&by_digest, "registry.example.com", "m/echo", &digest),
            (&both, "registry.example.com", "m/echo", &digest),
        ] {
            let read: ImageReference = text.parse().unwrap();
            let name_text = read.name.to_string();
            assert_eq!(
                (read.host.as_str(), read.path.as_str(), name_text.as_str()),
                (host, path, name),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_names_no_image() {
        let upper = format!("registry.example.com/m@sha256:{}", "A".repeat(64));
        for text in [
            "",
            ":x",
            "registry.example.com/:x",
            "registry.example.com/m/echo",
            "registry.example.com/m/echo:",
            "registry.example.com/m/echo:a b",
            "registry.example.com/m/echo@",
            "registry.example.com/m/echo@sha256:abc",
            "registry.example.com/m/echo@xxhash:0123456789abcdef0123456789abcdef",
            "https://registry.example.com/m:v1",
            "registry.example.com/M:v1",
            "a:b:c/",
            "lOcalhost/a:b",
            &upper,
        ] {
            text.parse::<ImageReference>().unwrap_err();
        }
    }

    proptest! {
        #[test]
        fn survives_any_text(text in "[ -~]{0,120}") {
            let _ = text.parse::<ImageReference>();
        }
    }
}
