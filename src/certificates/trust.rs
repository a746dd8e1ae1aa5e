//! Whether a caller with a given caBundle would trust what is served, decided as an API server does.

use std::time::{SystemTime, UNIX_EPOCH};

use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls_platform_verifier::Verifier;

use super::roots::Roots;
use super::x509;

/// Verifies `chain` (leaf first) for the host `name` at `now`; the error says what a caller would object to.
///
/// A leaf that stands in the bundle itself, byte for byte, is trusted even if it says that it is an authority: Go's
/// verifier, which API servers use, does so, and rustls' does not.
pub(super) fn verify(
    chain: &[CertificateDer<'_>],
    bundle: &Roots,
    name: &str,
    now: SystemTime,
) -> Result<(), String> {
    let (leaf, rest) = chain.split_first().ok_or("no certificate is served")?;
    let name = ServerName::try_from(name).map_err(|_| format!("\"{name}\" is no host"))?;
    if bundle.is_empty() {
        return Err("the caBundle is empty".to_owned());
    }
    let validity = x509::validity(leaf).map_err(|error| error.to_string())?;
    if now < validity.not_before {
        return Err("the served certificate is not valid yet".to_owned());
    }
    if now >= validity.not_after {
        return Err("the served certificate has expired".to_owned());
    }
    if bundle.contains(leaf) {
        // A certificate that says that it is an authority does not parse as a server's: its names are judged alone.
        return match ParsedCertificate::try_from(leaf) {
            Ok(parsed) => verify_server_name(&parsed, &name).map_err(|error| words(&error)),
            Err(error) => Err(words(&error)),
        };
    }
    let parsed = ParsedCertificate::try_from(leaf).map_err(|error| words(&error))?;
    verify_server_name(&parsed, &name).map_err(|error| words(&error))?;
    // Go asks of a root what rustls takes for granted.
    let fit = |root: &&CertificateDer<'static>| {
        let living = x509::validity(root).is_ok_and(|life| life.not_before <= now && now <= life.not_after);
        living && x509::may_sign(root)
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(bundle.iter().filter(fit).cloned());
    let provider = CryptoProvider::get_default().ok_or("no crypto provider is installed")?;
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    verify_server_cert_signed_by_trust_anchor(
        &parsed,
        &roots,
        rest,
        now,
        provider.signature_verification_algorithms.all,
    )
    .map_err(|error| words(&error))
}

/// The authorities of the system, by which an API server judges where a caBundle is empty. Its own are not known here;
/// these come with the image, and the public ones are the same everywhere.
#[derive(Debug)]
pub(super) struct SystemRoots(Option<Verifier>);

impl SystemRoots {
    /// Reads them. A system that has none vouches for nobody.
    pub(super) fn read() -> Self {
        let provider = CryptoProvider::get_default().cloned();
        Self(provider.and_then(|provider| Verifier::new(provider).ok()))
    }

    /// Verifies `chain` (leaf first) for the host `name` at `now`.
    pub(super) fn verify(
        &self,
        chain: &[CertificateDer<'_>],
        name: &str,
        now: SystemTime,
    ) -> Result<(), String> {
        let (leaf, rest) = chain.split_first().ok_or("no certificate is served")?;
        let name = ServerName::try_from(name).map_err(|_| format!("\"{name}\" is no host"))?;
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let verified = self
            .0
            .as_ref()
            .is_some_and(|verifier| verifier.verify_server_cert(leaf, rest, &name, &[], now).is_ok());
        verified.then_some(()).ok_or_else(|| {
            "the caBundle is empty, and no public authority vouches for the served certificate".to_owned()
        })
    }
}

/// Without rustls' "invalid peer certificate", since it is our own.
fn words(error: &rustls::Error) -> String {
    use rustls::CertificateError as Wrong;
    match error {
        // A bad signature is that of a namesake.
        rustls::Error::InvalidCertificate(Wrong::UnknownIssuer | Wrong::BadSignature) => {
            "the served certificate was not signed by an authority in the caBundle".to_owned()
        }
        rustls::Error::InvalidCertificate(Wrong::NotValidForName | Wrong::NotValidForNameContext { .. }) => {
            "the served certificate is for other names".to_owned()
        }
        rustls::Error::InvalidCertificate(Wrong::Expired | Wrong::ExpiredContext { .. }) => {
            "a certificate of the served chain has expired".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;
    use crate::certificates::Authority;
    use crate::certificates::authority::{AUTHORITY_LIFE, CLOCK_SKEW, LEAF_LIFE};

    const NAME: &str = "hatchway.d8-system.svc";

    fn bundle(authorities: &[&Authority]) -> Roots {
        authorities
            .iter()
            .map(|authority| authority.certificate().clone())
            .collect()
    }

    #[test]
    fn trusts_what_the_bundle_signed_for_the_name_and_the_time_and_says_what_is_wrong_otherwise() {
        crate::certificates::install_provider();
        let now = SystemTime::now();
        let ours = Authority::generate(now, AUTHORITY_LIFE).unwrap();
        let other = Authority::generate(now, AUTHORITY_LIFE).unwrap();
        let served = ours.sign(&[NAME.into(), "127.0.0.1".into()], now).unwrap();
        let chain = &served.key().cert;

        assert_eq!(verify(chain, &bundle(&[&other, &ours]), NAME, now), Ok(()));
        assert_eq!(verify(chain, &bundle(&[&ours]), "127.0.0.1", now), Ok(()));
        let wrong = |bundle: &Roots, name, at| verify(chain, bundle, name, at).unwrap_err();
        assert_eq!(
            wrong(&bundle(&[&other]), NAME, now),
            "the served certificate was not signed by an authority in the caBundle"
        );
        assert_eq!(
            wrong(&bundle(&[&ours]), "hatchway.elsewhere.svc", now),
            "the served certificate is for other names"
        );
        assert_eq!(
            wrong(&bundle(&[&ours]), NAME, now + LEAF_LIFE),
            "the served certificate has expired"
        );
        assert_eq!(
            wrong(&bundle(&[&ours]), NAME, now - CLOCK_SKEW - Duration::from_mins(1)),
            "the served certificate is not valid yet"
        );
        assert_eq!(wrong(&Roots::default(), NAME, now), "the caBundle is empty");
        assert_eq!(
            verify(&[], &bundle(&[&ours]), NAME, now).unwrap_err(),
            "no certificate is served"
        );
    }

    #[test]
    fn an_authority_that_has_expired_or_is_none_vouches_for_nobody() {
        crate::certificates::install_provider();
        let now = SystemTime::now();
        let brief = Authority::generate(now, Duration::from_mins(1)).unwrap();
        let chain = brief.sign(&[NAME.into()], now).unwrap().key().cert.clone();
        assert_eq!(verify(&chain, &bundle(&[&brief]), NAME, now), Ok(()));

        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["none.example.com".to_owned()]).unwrap();
        let none = params.self_signed(&key).unwrap();
        let issuer = rcgen::Issuer::from_ca_cert_der(none.der(), key).unwrap();
        let leaf = CertificateParams::new(vec![NAME.to_owned()])
            .unwrap()
            .signed_by(&KeyPair::generate().unwrap(), &issuer)
            .unwrap();
        let roots: Roots = [none.der().clone()].into_iter().collect();
        assert_eq!(
            verify(&[leaf.der().clone()], &roots, NAME, now).unwrap_err(),
            "the served certificate was not signed by an authority in the caBundle"
        );
    }

    #[test]
    fn the_systems_authorities_vouch_for_nobody_whom_they_do_not_know() {
        crate::certificates::install_provider();
        let now = SystemTime::now();
        let ours = Authority::generate(now, AUTHORITY_LIFE).unwrap();
        let served = ours.sign(&[NAME.into()], now).unwrap();
        let said = SystemRoots::read().verify(&served.key().cert, NAME, now);
        assert!(
            said.unwrap_err()
                .starts_with("the caBundle is empty, and no public")
        );
    }

    #[test]
    fn trusts_a_leaf_that_stands_in_the_bundle_itself_even_if_it_says_that_it_is_an_authority() {
        crate::certificates::install_provider();
        let mut params = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let leaf = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let roots: Roots = [leaf.der().clone()].into_iter().collect();
        let now = SystemTime::now();
        assert_eq!(verify(&[leaf.der().clone()], &roots, NAME, now), Ok(()));
        assert!(verify(&[leaf.der().clone()], &roots, "elsewhere", now).is_err());
    }
}
