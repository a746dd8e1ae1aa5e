//! What stands in the Secret that all replicas share (rule SV-2): the authority that signs, the one that is to come,
//! and the certificates of former ones.

use std::sync::Arc;
use std::time::SystemTime;

use jiff::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::authority::{Authority, MakeAuthority, SignLeaf};
use super::roots::Roots;
use super::trust;
use crate::api::installation::{CA_SECRET, FORMER_UNTIL, ROTATE, labels as own_labels};

/// The certificate of who signs, and its key.
pub(super) const CERTIFICATE: &str = "ca.crt";
const KEY: &str = "ca.key";
/// Who will sign when every caBundle holds its certificate.
const NEXT_CERTIFICATE: &str = "next.crt";
const NEXT_KEY: &str = "next.key";
/// Who signed before: certificates only.
const FORMER: &str = "former.crt";

/// The host for which an authority is tried out.
const TRIED: &str = "hatchway.example.com";

/// A Secret's content, parsed.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    /// Who signs.
    pub(super) present: Arc<Authority>,
    /// Who will.
    pub(super) next: Option<Arc<Authority>>,
    /// Who did, and may have signed what is still served somewhere.
    pub(super) former: Roots,
    /// Until when `former` stays; without it, until a person takes them out.
    pub(super) former_until: Option<SystemTime>,
    /// Whether a person asks for a new authority.
    pub(super) asked: bool,
}

/// A Secret that nobody could sign with.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadSecret {
    /// A key is not there.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// A value is no text.
    #[error("its {0} is no text")]
    Text(&'static str),
    /// The two do not make an authority.
    #[error("its ca.crt and ca.key make no authority")]
    Authority(#[from] MakeAuthority),
    /// The authority cannot sign.
    #[error("its authority cannot sign")]
    Sign(#[from] SignLeaf),
    /// What the authority signs is not trusted by who trusts the authority.
    #[error("what its authority signs would not be trusted: {0}")]
    Trust(String),
}

impl Kept {
    /// Reads a Secret. What makes no authority that could be used is an error; a broken `next.*` is none.
    pub(super) fn read(secret: &Secret) -> Result<Self, ReadSecret> {
        let present = authority(secret, CERTIFICATE, KEY)?;
        let next = authority(secret, NEXT_CERTIFICATE, NEXT_KEY).ok();
        let annotations = secret.metadata.annotations.as_ref();
        let annotation = |name: &str| annotations.and_then(|all| all.get(name));
        Ok(Self {
            present: Arc::new(present),
            next: next.map(Arc::new),
            former: Roots::from_pem(value(secret, FORMER).unwrap_or_default()),
            former_until: annotation(FORMER_UNTIL)
                .and_then(|text| text.parse::<Timestamp>().ok())
                .map(SystemTime::from),
            asked: annotation(ROTATE).is_some(),
        })
    }

    /// What stands where `secret` is broken, as far as it is a certificate: replicas may still serve what it signed.
    pub(super) fn certificates(secret: &Secret) -> Roots {
        [CERTIFICATE, NEXT_CERTIFICATE, FORMER]
            .into_iter()
            .filter_map(|name| value(secret, name))
            .flat_map(|text| Roots::from_pem(text).iter().cloned().collect::<Vec<_>>())
            .collect()
    }

    /// The Secret that holds this: a new one, or `before` with our part replaced and the rest as it was, so that the
    /// API server notices if somebody changed it meanwhile.
    pub(super) fn write(&self, before: Option<Secret>) -> Secret {
        let mut secret = before.unwrap_or_default();
        let metadata = &mut secret.metadata;
        metadata.name = Some(CA_SECRET.to_owned());
        metadata.managed_fields = None;
        let labels = metadata.labels.get_or_insert_default();
        for (label, value) in own_labels() {
            labels.entry(label).or_insert(value);
        }
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.remove(ROTATE);
        annotations.remove(FORMER_UNTIL);
        if self.asked {
            annotations.insert(ROTATE.to_owned(), "true".to_owned());
        }
        if let Some(until) = self
            .former_until
            .and_then(|until| Timestamp::try_from(until).ok())
        {
            annotations.insert(FORMER_UNTIL.to_owned(), until.to_string());
        }

        let data = secret.data.get_or_insert_default();
        for name in [NEXT_CERTIFICATE, NEXT_KEY, FORMER] {
            data.remove(name);
        }
        let mut put =
            |name: &str, text: &str| drop(data.insert(name.to_owned(), ByteString(text.as_bytes().to_vec())));
        put(CERTIFICATE, self.present.certificate_pem());
        put(KEY, self.present.key_pem());
        if let Some(next) = &self.next {
            put(NEXT_CERTIFICATE, next.certificate_pem());
            put(NEXT_KEY, next.key_pem());
        }
        if !self.former.is_empty() {
            put(FORMER, &self.former.to_pem());
        }
        secret
    }

    /// What every caBundle has to hold: who will sign first, then who signs, then who did.
    pub(super) fn bundle(&self, now: SystemTime) -> Roots {
        let next = self.next.as_ref().map(|next| next.certificate().clone());
        let signers = next.into_iter().chain([self.present.certificate().clone()]);
        let former = self.former.clone().living(now, usize::MAX);
        signers.chain(former.iter().cloned()).collect()
    }
}

fn value<'a>(secret: &'a Secret, name: &str) -> Option<&'a [u8]> {
    Some(&secret.data.as_ref()?.get(name)?.0)
}

/// An authority of the Secret, tried out.
fn authority(secret: &Secret, certificate: &'static str, key: &'static str) -> Result<Authority, ReadSecret> {
    let text = |name: &'static str| {
        let bytes = value(secret, name).ok_or(ReadSecret::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|_| ReadSecret::Text(name))
    };
    let authority = Authority::from_pem(text(certificate)?, text(key)?)?;
    // A certificate that may not sign, say: an API server would refuse all that it signed. Tried at a time at which it is
    // valid, since a clock that is off does not make it broken.
    let when = authority.not_before();
    let leaf = authority.sign(&[TRIED.to_owned()], when)?;
    let roots = [authority.certificate().clone()].into_iter().collect();
    trust::verify(&leaf.key().cert, &roots, TRIED, when).map_err(ReadSecret::Trust)?;
    Ok(authority)
}

#[cfg(test)]
mod tests;
