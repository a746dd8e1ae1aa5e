//! The certificate that the next handshake gets.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::x509;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Certificate;

/// A chain with its key, and how long it is good.
#[derive(Clone)]
pub struct Served {
    key: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl Served {
    /// Takes a chain whose first certificate is readable X.509.
    pub fn new(key: CertifiedKey) -> Result<Self, ReadLeaf> {
        let leaf = key.end_entity_cert().map_err(|_| ReadLeaf::None)?;
        let validity = x509::validity(leaf)?;
        Ok(Self {
            not_before: validity.not_before,
            not_after: validity.not_after,
            key: Arc::new(key),
        })
    }

    /// The chain and its key, for those who build a TLS configuration by hand.
    pub fn key(&self) -> &Arc<CertifiedKey> {
        &self.key
    }

    /// The leaf in DER.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// From when on the leaf is good.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Until when the leaf is good.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the key.
        f.debug_struct("Served")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

/// A chain whose leaf could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLeaf {
    /// The chain is empty.
    #[error("the chain holds no certificate")]
    None,
    /// The leaf is no X.509 certificate.
    #[error("the first certificate is not X.509")]
    Parse(#[from] x509_cert::der::Error),
}

/// Hands each handshake the certificate of the moment; swapping it disturbs nobody who is connected.
#[derive(Debug)]
pub struct Resolver {
    served: ArcSwap<Served>,
    metrics: Metrics,
}

impl Resolver {
    /// Starts with `served`.
    pub fn new(served: Served, metrics: Metrics) -> Arc<Self> {
        let resolver = Self {
            served: ArcSwap::from_pointee(served),
            metrics,
        };
        resolver.tell();
        Arc::new(resolver)
    }

    /// From the next handshake on, `served` it is.
    pub fn swap(&self, served: Served) {
        self.served.store(Arc::new(served));
        self.tell();
    }

    /// What the next handshake gets.
    pub fn served(&self) -> Arc<Served> {
        self.served.load_full()
    }

    fn tell(&self) {
        self.metrics
            .certificate_expiry
            .get_or_create(&Certificate {
                certificate: "serving",
            })
            .set(x509::unix_seconds(self.served.load().not_after));
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // One certificate for every name: an API server calls a Service by its DNS name, or an address without SNI.
        Some(Arc::clone(&self.served.load().key))
    }
}
