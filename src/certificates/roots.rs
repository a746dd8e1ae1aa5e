//! Certificates that are trusted: a caBundle, or a part of one.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_cert::der::pem::{self, LineEnding};

use super::x509;

/// Certificates in order, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// The certificates in `text`; what is none is left out.
    pub(super) fn from_pem(text: &[u8]) -> Self {
        let readable = CertificateDer::pem_slice_iter(text).filter_map(Result::ok);
        readable
            .filter(|certificate| x509::validity(certificate).is_ok())
            .collect()
    }

    /// As a caBundle holds them.
    pub(super) fn to_pem(&self) -> String {
        let encoded = self
            .0
            .iter()
            .filter_map(|certificate| pem::encode_string("CERTIFICATE", LineEnding::LF, certificate).ok());
        encoded.collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.0.iter()
    }

    pub(super) fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|known| known == certificate)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, certificate: CertificateDer<'static>) {
        if !self.contains(&certificate) {
            self.0.push(certificate);
        }
    }

    /// Those that have not expired, `most` of them at most, the first ones.
    pub(super) fn living(self, now: SystemTime, most: usize) -> Self {
        let living = |certificate: &CertificateDer<'_>| {
            x509::validity(certificate).is_ok_and(|validity| validity.not_after > now)
        };
        Self(self.0.into_iter().filter(living).take(most).collect())
    }
}

impl FromIterator<CertificateDer<'static>> for Roots {
    fn from_iter<I: IntoIterator<Item = CertificateDer<'static>>>(certificates: I) -> Self {
        let mut roots = Self::default();
        for certificate in certificates {
            roots.push(certificate);
        }
        roots
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::certificates::Authority;

    #[test]
    fn goes_through_pem_without_what_is_no_certificate() {
        crate::certificates::install_provider();
        let now = SystemTime::now();
        let one = Authority::generate(now, Duration::from_mins(1)).unwrap();
        let other = Authority::generate(now, Duration::from_hours(1)).unwrap();
        let text = format!(
            "# a comment\n{}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n{}{}{}",
            one.certificate_pem(),
            other.certificate_pem(),
            other.key_pem(),
            one.certificate_pem(),
        );
        let roots = Roots::from_pem(text.as_bytes());
        assert_eq!(roots.iter().count(), 2);
        assert_eq!(Roots::from_pem(roots.to_pem().as_bytes()), roots);
        assert!(!roots.to_pem().contains("PRIVATE"));

        let later = roots.clone().living(now + Duration::from_mins(2), 8);
        assert!(!later.contains(one.certificate()) && later.contains(other.certificate()));
        assert_eq!(
            roots.living(now, 1).iter().collect::<Vec<_>>(),
            [one.certificate()]
        );
    }
}
