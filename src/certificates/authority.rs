//! A certificate authority of our own (rule SV-2): a P-256 key (an RSA handshake costs four times as much) and a
//! certificate, which goes in and out as PEM so that it can be kept in memory or in a Secret.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

use super::resolver::{ReadLeaf, Served};
use super::x509::{self, Validity};

/// How far back a certificate's life begins, for callers whose clock is behind.
pub const CLOCK_SKEW: Duration = Duration::from_hours(1);
/// How long a leaf lives: short enough that a stolen key is soon worthless, long enough that a night without us
/// renewing it harms nobody.
pub const LEAF_LIFE: Duration = Duration::from_hours(24);
/// How long an authority lives unless told otherwise. Who keeps it in a Secret rotates it long before.
pub const AUTHORITY_LIFE: Duration = Duration::from_hours(10 * 365 * 24);

/// Signs server certificates.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
    validity: Validity,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Authority")
            .field("not_after", &self.validity.not_after)
            .finish_non_exhaustive()
    }
}

/// An authority could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum MakeAuthority {
    /// Key or certificate could not be made.
    #[error("cannot make a certificate authority")]
    Generate(#[from] rcgen::Error),
    /// The PEM holds no certificate.
    #[error("the authority's certificate is not PEM")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The certificate cannot be read.
    #[error("the authority's certificate is not X.509")]
    Certificate(#[from] x509_cert::der::Error),
    /// The key is not the certificate's, or of a kind that is not supported.
    #[error("the authority's key does not fit its certificate")]
    Match(#[source] rustls::Error),
    /// The program did not install rustls' provider.
    #[error("no crypto provider is installed")]
    Provider,
}

/// A leaf could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignLeaf {
    /// A name is neither a DNS name nor an address, or signing failed.
    #[error("cannot sign a certificate for {names}", names = .names.join(", "))]
    Sign {
        /// The names asked for.
        names: Vec<String>,
        /// Why.
        source: rcgen::Error,
    },
    /// What was signed cannot be served.
    #[error("the signed certificate cannot be served")]
    Serve(#[from] rustls::Error),
    /// What was signed cannot be read.
    #[error("the signed certificate cannot be read")]
    Read(#[from] ReadLeaf),
    /// The program did not install rustls' provider.
    #[error("no crypto provider is installed")]
    Provider,
}

impl Authority {
    /// A new one, good from an hour before `now` until `life` after it.
    pub fn generate(now: SystemTime, life: Duration) -> Result<Self, MakeAuthority> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        // A name of its own for each, so that two of them can stand in one bundle and be told apart by people.
        let number = x509::whole_seconds(now).as_secs();
        params
            .distinguished_name
            .push(DnType::CommonName, format!("hatchway authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // rcgen's times are of a crate that we do not depend on: its epoch and a duration make one.
        params.not_before = date_time_ymd(1970, 1, 1) + x509::whole_seconds(now - CLOCK_SKEW);
        params.not_after = date_time_ymd(1970, 1, 1) + x509::whole_seconds(now + life);
        let certificate = params.self_signed(&key)?;
        Self::from_pem(&certificate.pem(), &key.serialize_pem())
    }

    /// One that was made before.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, MakeAuthority> {
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes())?;
        let provider = CryptoProvider::get_default().ok_or(MakeAuthority::Provider)?;
        CertifiedKey::from_der(vec![certificate.clone()], key, provider).map_err(MakeAuthority::Match)?;
        let validity = x509::validity(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::from_pem(key_pem)?)?;
        Ok(Self {
            certificate,
            certificate_pem: certificate_pem.to_owned(),
            key_pem: key_pem.to_owned(),
            issuer,
            validity,
        })
    }

    /// The certificate, for bundles and for `curl --cacert`.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The certificate in DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The private key (PKCS #8): for a Secret, for nothing else.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// From when on what it signed is trusted.
    pub fn not_before(&self) -> SystemTime {
        self.validity.not_before
    }

    /// Until when what it signed is trusted.
    pub fn not_after(&self) -> SystemTime {
        self.validity.not_after
    }

    /// Signs a fresh key for `names` (DNS names and addresses), good for a day at most, and never longer than the
    /// authority itself.
    pub fn sign(&self, names: &[String], now: SystemTime) -> Result<Served, SignLeaf> {
        let failed = |source| SignLeaf::Sign {
            names: names.to_vec(),
            source,
        };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(failed)?;
        let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // The names that count are the alternative ones; a common name has at most 64 characters.
        params.distinguished_name.push(DnType::CommonName, "hatchway");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before =
            date_time_ymd(1970, 1, 1) + x509::whole_seconds((now - CLOCK_SKEW).max(self.validity.not_before));
        params.not_after =
            date_time_ymd(1970, 1, 1) + x509::whole_seconds((now + LEAF_LIFE).min(self.validity.not_after));
        let leaf = params.signed_by(&key, &self.issuer).map_err(failed)?;
        let provider = CryptoProvider::get_default().ok_or(SignLeaf::Provider)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok(Served::new(CertifiedKey::from_der(
            vec![leaf.der().clone()],
            key,
            provider,
        )?)?)
    }
}

#[cfg(test)]
mod tests;
