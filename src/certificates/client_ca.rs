//! `--client-ca`: the CAs whose certificates callers must show (rule SV-3), reloaded as the file changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, pem};

use super::poll::{EVERY, Follower, Step};
use super::tls::Tls;
use super::x509;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Certificate;

const LABEL: Certificate = Certificate {
    certificate: "client-ca",
};

/// A file of CA certificates, followed as it changes.
#[derive(Debug)]
pub struct ClientCa {
    file: PathBuf,
    follower: Follower<Vec<u8>>,
    metrics: Metrics,
}

/// A client CA that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadClientCa {
    /// The file cannot be read.
    #[error("cannot read the client CA {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no PEM.
    #[error("the client CA {path} is not PEM", path = path.display())]
    Pem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// A certificate in the file is none.
    #[error("the client CA {path} holds a certificate that cannot be used", path = path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// Nothing in it.
    #[error("the client CA {path} holds no certificate", path = path.display())]
    Empty {
        /// Which.
        path: PathBuf,
    },
}

impl ClientCa {
    /// Reads the file; the roots are for [`Tls::new`].
    pub fn load(file: impl Into<PathBuf>, metrics: Metrics) -> Result<(Self, RootCertStore), LoadClientCa> {
        let file = file.into();
        let bytes = std::fs::read(&file).map_err(|source| LoadClientCa::Read {
            path: file.clone(),
            source,
        })?;
        let (roots, expiry) = parse(&file, &bytes)?;
        metrics.certificate_broken.get_or_create(&LABEL).set(0);
        metrics.certificate_expiry.get_or_create(&LABEL).set(expiry);
        Ok((
            Self {
                file,
                follower: Follower::new(bytes),
                metrics,
            },
            roots,
        ))
    }

    /// Looks at the file every two seconds, until dropped.
    pub async fn follow(mut self, tls: Arc<Tls>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(&tls);
        }
    }

    fn look(&mut self, tls: &Tls) {
        // A file that cannot be read is told like an empty one.
        let bytes = std::fs::read(&self.file).unwrap_or_default();
        if self.follower.recovered(&bytes) {
            self.metrics.certificate_broken.get_or_create(&LABEL).set(0);
        }
        if self.follower.look(&bytes) == Step::Nothing {
            return;
        }
        let taken = parse(&self.file, &bytes)
            .map_err(|error| (error.to_string(), cause(&error)))
            .and_then(|(roots, expiry)| {
                tls.require(roots)
                    .map(|()| expiry)
                    .map_err(|error| (error.to_string(), cause(&error)))
            });
        match taken {
            Ok(expiry) => {
                self.follower.took(bytes);
                self.metrics.certificate_broken.get_or_create(&LABEL).set(0);
                self.metrics.certificate_expiry.get_or_create(&LABEL).set(expiry);
                tracing::info!(file = %self.file.display(), "callers are checked against the changed client CA");
            }
            Err((error, cause)) => {
                if self.follower.failed(bytes) {
                    self.metrics
                        .certificate_reload_failures
                        .get_or_create(&LABEL)
                        .inc();
                    self.metrics.certificate_broken.get_or_create(&LABEL).set(1);
                    tracing::error!(
                        error,
                        cause,
                        "the changed client CA cannot be used, the former one counts on"
                    );
                }
            }
        }
    }
}

/// The roots, and the Unix time at which the first of them expires.
fn parse(path: &Path, bytes: &[u8]) -> Result<(RootCertStore, i64), LoadClientCa> {
    let mut roots = RootCertStore::empty();
    let mut expiry = None;
    for certificate in CertificateDer::pem_slice_iter(bytes) {
        let certificate = certificate.map_err(|source| LoadClientCa::Pem {
            path: path.to_owned(),
            source,
        })?;
        if let Ok(validity) = x509::validity(&certificate) {
            let seconds = x509::unix_seconds(validity.not_after);
            expiry = Some(expiry.map_or(seconds, |known: i64| known.min(seconds)));
        }
        roots
            .add(certificate)
            .map_err(|source| LoadClientCa::Certificate {
                path: path.to_owned(),
                source,
            })?;
    }
    if roots.is_empty() {
        return Err(LoadClientCa::Empty {
            path: path.to_owned(),
        });
    }
    Ok((roots, expiry.unwrap_or_default()))
}

fn cause(error: &dyn std::error::Error) -> String {
    error.source().map(ToString::to_string).unwrap_or_default()
}
