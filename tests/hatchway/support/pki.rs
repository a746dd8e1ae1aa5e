//! Certificates for tests.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

/// A certificate authority.
pub(crate) struct Ca {
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        hatchway::certificates::install_provider();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// Good for servers at 127.0.0.1 and for clients.
    pub(crate) fn sign(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair {
            certificate,
            key: key.serialize_pem(),
        }
    }
}

/// Lays `pair` into `dir` as the kubelet mounts a Secret: links through `..data`, which is swapped by rename.
pub(crate) fn mount(dir: &Path, generation: &str, ca: &str, pair: &Pair) {
    let folder = dir.join(generation);
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in [
        ("ca.crt", ca),
        ("tls.crt", &pair.certificate),
        ("tls.key", &pair.key),
    ] {
        fs::write(folder.join(name), text).unwrap();
        if fs::symlink_metadata(dir.join(name)).is_err() {
            symlink(format!("..data/{name}"), dir.join(name)).unwrap();
        }
    }
    let old = fs::read_link(dir.join("..data")).ok();
    symlink(generation, dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    if let Some(old) = old {
        fs::remove_dir_all(dir.join(old)).unwrap();
    }
}

/// A client that trusts the authorities in these files.
pub(crate) fn trusting(files: &[&Path]) -> ClientConfig {
    ClientConfig::builder()
        .with_root_certificates(roots(files))
        .with_no_client_auth()
}

/// A client that trusts the authorities in these files and shows `pair`.
pub(crate) fn showing(files: &[&Path], pair: &Pair) -> ClientConfig {
    let chain = CertificateDer::pem_slice_iter(pair.certificate.as_bytes())
        .map(Result::unwrap)
        .collect();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    ClientConfig::builder()
        .with_root_certificates(roots(files))
        .with_client_auth_cert(chain, key)
        .unwrap()
}

fn roots(files: &[&Path]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    for file in files {
        for certificate in CertificateDer::pem_file_iter(file).unwrap() {
            roots.add(certificate.unwrap()).unwrap();
        }
    }
    roots
}
