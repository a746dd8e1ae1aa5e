//! Whom to trust: the system's roots and a source's own `ca`.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use x509_cert::Certificate;
use x509_cert::der::Decode;

/// TLS could not be set up for a source.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// A block of `ca` is broken.
    #[error("ca: certificate {number} cannot be read")]
    Pem {
        /// Its place in the bundle, from 1.
        number: usize,
        /// What is wrong.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// There is no certificate in `ca`.
    #[error("ca holds no PEM certificate")]
    NoCertificate,
    /// The provider of cryptography speaks no protocol of ours.
    #[error("cannot set up TLS")]
    Setup(#[source] rustls::Error),
}

/// The client side of TLS: the system's roots, and beside them the certificates of `ca` (PEM). HTTP/1.1 only.
pub(super) fn config(ca: Option<&str>) -> Result<ClientConfig, TrustError> {
    let provider = provider();
    let certificates = ca.map(read).transpose()?.unwrap_or_default();
    let verifier = Arc::new(Trust::new(certificates, &provider));
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TrustError::Setup)?;
    // `dangerous` is rustls' word for any verifier that is not its own.
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

/// Trusts what is signed by a certificate of the bundle or by the system's roots, and a server certificate that is in
/// the bundle itself, byte for byte. Registries use the latter all the time, often with CA:TRUE, which webpki refuses
/// in a server (rule SV-1 says the same of the API server).
#[derive(Debug)]
struct Trust {
    bundle: Vec<CertificateDer<'static>>,
    /// Those of the bundle that can vouch for others.
    anchors: Vec<CertificateDer<'static>>,
    /// These and the system's, read when a server first wants to be trusted: a fifth of a small pull over plain HTTP
    /// otherwise. None on a machine without roots where the bundle has none either.
    roots: OnceLock<Option<Verifier>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    fn new(bundle: Vec<CertificateDer<'static>>, provider: &Arc<CryptoProvider>) -> Self {
        // One that webpki cannot use as an anchor (an X.509 v1 root, say) must not cost the others their effect.
        let anchors: Vec<_> = bundle
            .iter()
            .filter(|certificate| is_usable(certificate))
            .cloned()
            .collect();
        if anchors.len() < bundle.len() {
            tracing::warn!("ca holds certificates that cannot be used as roots, they are passed over");
        }
        Self {
            bundle,
            anchors,
            roots: OnceLock::new(),
            provider: Arc::clone(provider),
        }
    }

    fn roots(&self) -> Option<&Verifier> {
        let read = || {
            Verifier::new_with_extra_roots(self.anchors.iter().cloned(), Arc::clone(&self.provider))
                .inspect_err(|error| tracing::warn!(%error, "no TLS server can be trusted: give a ca"))
                .ok()
        };
        self.roots.get_or_init(read).as_ref()
    }
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if !self.bundle.iter().any(|known| known == end_entity) {
            let roots = self.roots().ok_or(CertificateError::UnknownIssuer)?;
            return roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        }
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
        verify_dates(end_entity, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn read(pem: &str) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let mut certificates = Vec::new();
    for (i, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        certificates.push(certificate.map_err(|source| TrustError::Pem {
            number: i + 1,
            source,
        })?);
    }
    if certificates.is_empty() {
        Err(TrustError::NoCertificate)
    } else {
        Ok(certificates)
    }
}

fn is_usable(certificate: &CertificateDer<'static>) -> bool {
    RootCertStore::empty().add(certificate.clone()).is_ok()
}

fn verify_dates(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let from = UnixTime::since_unix_epoch(validity.not_before.to_unix_duration());
    let to = UnixTime::since_unix_epoch(validity.not_after.to_unix_duration());
    if now < from {
        return Err(CertificateError::NotValidYetContext {
            time: now,
            not_before: from,
        }
        .into());
    }
    if now > to {
        return Err(CertificateError::ExpiredContext {
            time: now,
            not_after: to,
        }
        .into());
    }
    Ok(())
}

/// The process's provider, or the one that was compiled in.
fn provider() -> Arc<CryptoProvider> {
    if let Some(provider) = CryptoProvider::get_default() {
        return Arc::clone(provider);
    }
    #[cfg(feature = "ring")]
    let provider = rustls::crypto::ring::default_provider();
    #[cfg(not(feature = "ring"))]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    struct Made {
        der: CertificateDer<'static>,
        pem: String,
    }

    fn self_signed(name: &str, ca: bool) -> Made {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if ca {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        Made {
            der: certificate.der().clone(),
            pem: certificate.pem(),
        }
    }

    fn verify(bundle: &str, leaf: &CertificateDer<'_>, name: &str, day: u64) -> Result<(), String> {
        let bundle = Trust::new(read(bundle).unwrap(), &provider());
        let name = ServerName::try_from(name.to_owned()).unwrap();
        // Days of 2026.
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600 + day * 86_400));
        bundle
            .verify_server_cert(leaf, &[], &name, &[], now)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn trusts_a_server_certificate_that_is_in_the_bundle() {
        for ca in [false, true] {
            let leaf = self_signed("registry.example.com", ca);
            verify(&leaf.pem, &leaf.der, "registry.example.com", 30).unwrap();
            let other = self_signed("registry.example.com", ca);
            verify(&leaf.pem, &other.der, "registry.example.com", 30).unwrap_err();
            verify(
                &format!("{}{}", other.pem, leaf.pem),
                &leaf.der,
                "registry.example.com",
                30,
            )
            .unwrap();
        }
    }

    #[test]
    fn still_checks_its_name_and_its_dates() {
        let leaf = self_signed("registry.example.com", true);
        assert!(
            verify(&leaf.pem, &leaf.der, "other.example.com", 30)
                .unwrap_err()
                .contains("not valid for name")
        );
        assert!(
            verify(&leaf.pem, &leaf.der, "registry.example.com", 400)
                .unwrap_err()
                .contains("expired")
        );
    }

    #[test]
    fn trusts_what_a_certificate_of_the_bundle_has_signed() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let mut leaf = CertificateParams::new(vec!["registry.example.com".to_owned()]).unwrap();
        leaf.not_before = rcgen::date_time_ymd(2026, 1, 1);
        leaf.not_after = rcgen::date_time_ymd(2026, 12, 31);
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        verify(&ca.pem(), leaf.der(), "registry.example.com", 30).unwrap();
        verify(&ca.pem(), leaf.der(), "other.example.com", 30).unwrap_err();
    }

    #[test]
    fn trusts_nobody_where_there_are_no_roots() {
        let leaf = self_signed("registry.example.com", false);
        let trust = Trust {
            bundle: Vec::new(),
            anchors: Vec::new(),
            roots: OnceLock::from(None),
            provider: provider(),
        };
        let name = ServerName::try_from("registry.example.com").unwrap();
        trust
            .verify_server_cert(&leaf.der, &[], &name, &[], UnixTime::now())
            .unwrap_err();
    }

    #[test]
    fn refuses_a_bundle_without_certificates_or_with_a_broken_one() {
        assert_eq!(
            config(Some("")).unwrap_err().to_string(),
            "ca holds no PEM certificate"
        );
        let good = self_signed("registry.example.com", false).pem;
        let broken = format!("{good}-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n");
        assert_eq!(
            config(Some(&broken)).unwrap_err().to_string(),
            "ca: certificate 2 cannot be read"
        );
    }
}
