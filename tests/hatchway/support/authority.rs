//! Certificates for the servers of a test.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// A certificate authority that lives as long as the test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// Where a certificate and its key were written, in PEM.
pub(crate) struct KeyFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a P-256 key");
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).expect("a CA certificate"),
        }
    }

    /// The authority's own certificate, in PEM: what clients trust.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes `<name>.crt` and `<name>.key` into the folder: a certificate for a server on loopback.
    pub(crate) fn loopback_server(&self, folder: &Path, name: &str) -> KeyFiles {
        let key = KeyPair::generate().expect("a P-256 key");
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let certificate = CertificateParams::new(names)
            .and_then(|params| params.signed_by(&key, &self.issuer))
            .expect("a server certificate");
        KeyFiles::write(folder, name, &certificate, &key)
    }
}

impl KeyFiles {
    /// Writes `tls.crt` and `tls.key` into the folder: a certificate that nobody signed but its own key.
    pub(crate) fn self_signed(folder: &Path, params: &CertificateParams) -> Self {
        let key = KeyPair::generate().expect("a P-256 key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self::write(folder, "tls", &certificate, &key)
    }

    fn write(folder: &Path, name: &str, certificate: &Certificate, key: &KeyPair) -> Self {
        let files = Self {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).expect("the folder is writable");
        std::fs::write(&files.key, key.serialize_pem()).expect("the folder is writable");
        files
    }
}
