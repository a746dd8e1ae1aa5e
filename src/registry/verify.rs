//! Digests computed while bytes flow.

use oci_spec::image::{Digest, DigestAlgorithm};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// A running checksum of one of the algorithms that images use.
#[derive(Debug, Clone)]
pub(super) enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    /// The algorithm of a digest; `None` when it is not one of ours.
    pub(super) fn for_digest(digest: &Digest) -> Option<Self> {
        Some(match digest.algorithm() {
            DigestAlgorithm::Sha256 => Self::sha256(),
            DigestAlgorithm::Sha384 => Self::Sha384(Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
            _ => return None,
        })
    }

    pub(super) fn sha256() -> Self {
        Self::Sha256(Sha256::new())
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// `sha256:<hex>`.
    pub(super) fn finish(self) -> String {
        match self {
            Self::Sha256(hasher) => format!("sha256:{}", hex(&hasher.finalize())),
            Self::Sha384(hasher) => format!("sha384:{}", hex(&hasher.finalize())),
            Self::Sha512(hasher) => format!("sha512:{}", hex(&hasher.finalize())),
        }
    }
}

/// The digest of bytes that are at hand, in the algorithm of `like`; `None` when that is not one of ours.
pub(super) fn digest_like(like: &Digest, bytes: &[u8]) -> Option<String> {
    let mut hasher = Hasher::for_digest(like)?;
    hasher.update(bytes);
    Some(hasher.finish())
}

/// `sha256:<hex>` of bytes that are at hand.
pub(super) fn sha256(bytes: &[u8]) -> String {
    let mut hasher = Hasher::sha256();
    hasher.update(bytes);
    hasher.finish()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_digest_of_nothing() {
        assert_eq!(
            sha256(b""),
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        let like: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
        assert!(
            digest_like(&like, b"")
                .unwrap()
                .starts_with("sha512:cf83e1357eefb8bd")
        );
        assert_eq!(digest_like(&"xxhash:42".parse().unwrap(), b""), None);
    }
}
