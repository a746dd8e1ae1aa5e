//! A certificate from files (rule SV-2): `tls.crt` with its chain, `tls.key`, and maybe `ca.crt`, in one folder that a
//! Secret may be mounted on.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::sign::CertifiedKey;

use super::poll::{EVERY, Follower, Step};
use super::resolver::{ReadLeaf, Resolver, Served};
use crate::telemetry::Metrics;
use crate::telemetry::metrics::Certificate;

const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";
const BUNDLE: &str = "ca.crt";
const LABEL: Certificate = Certificate {
    certificate: "serving",
};

/// `ca.crt` of the pair that is served now, as PEM for the caBundle; none where the folder has none.
pub type Bundle = Arc<ArcSwapOption<Vec<u8>>>;

/// A folder with a certificate, followed as it changes.
#[derive(Debug)]
pub struct PairFiles {
    dir: PathBuf,
    follower: Follower<Contents>,
    first: Option<Served>,
    bundle: Bundle,
    metrics: Metrics,
}

/// The bytes of one moment.
#[derive(Clone, PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
    bundle: Option<Vec<u8>>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Contents")
    }
}

/// A pair of files that cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadPair {
    /// A file cannot be read.
    #[error("cannot read {path}", path = path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// `tls.crt` is no PEM.
    #[error("{path} is not PEM", path = path.display())]
    CertificatePem {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// `tls.crt` holds no certificate, or one that is none.
    #[error("{path} holds no usable certificate", path = path.display())]
    Certificate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: ReadLeaf,
    },
    /// `tls.key` is no private key.
    #[error("{path} holds no private key in PEM", path = path.display())]
    Key {
        /// Which.
        path: PathBuf,
        /// Why.
        source: pem::Error,
    },
    /// The two do not belong together, or the key is of a kind that is not supported.
    #[error("{key} does not fit {certificate}", key = key.display(), certificate = certificate.display())]
    Match {
        /// The key's file.
        key: PathBuf,
        /// The certificate's file.
        certificate: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// The program did not install rustls' provider.
    #[error("no crypto provider is installed")]
    Provider,
}

impl PairFiles {
    /// Reads the pair; one that cannot be served is an error that names the file and the cause.
    pub fn load(dir: impl Into<PathBuf>, metrics: Metrics) -> Result<Self, LoadPair> {
        let dir = dir.into();
        let contents = read(&dir)?;
        let served = parse(&dir, &contents)?;
        warn_of_validity(&dir, &served);
        metrics.certificate_broken.get_or_create(&LABEL).set(0);
        let bundle = Arc::new(ArcSwapOption::from_pointee(contents.bundle.clone()));
        Ok(Self {
            dir,
            follower: Follower::new(contents),
            first: Some(served),
            bundle,
            metrics,
        })
    }

    /// A resolver that starts with the pair that was loaded, once.
    pub fn resolver(&mut self) -> Option<Arc<Resolver>> {
        Some(Resolver::new(self.first.take()?, self.metrics.clone()))
    }

    /// The `ca.crt` that goes with what is served; the handle follows changes.
    pub fn bundle(&self) -> Bundle {
        Arc::clone(&self.bundle)
    }

    /// Looks at the files every two seconds, until dropped, and swaps what `resolver` serves.
    pub async fn follow(mut self, resolver: Arc<Resolver>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A few kilobytes from a page cache or a memory file system: not worth a thread of its own.
            self.look(&resolver);
        }
    }

    /// Looks once.
    pub fn look(&mut self, resolver: &Resolver) {
        let contents = match read(&self.dir) {
            Ok(contents) => contents,
            // The kubelet may have removed the folder between two reads: the next look sees the new one whole.
            Err(error) => return self.unreadable(&error),
        };
        if self.follower.recovered(&contents) {
            self.metrics.certificate_broken.get_or_create(&LABEL).set(0);
        }
        if self.follower.look(&contents) == Step::Nothing {
            return;
        }
        match parse(&self.dir, &contents) {
            Ok(served) => {
                warn_of_validity(&self.dir, &served);
                resolver.swap(served);
                self.bundle.store(contents.bundle.clone().map(Arc::new));
                self.follower.took(contents);
                self.metrics.certificate_broken.get_or_create(&LABEL).set(0);
                tracing::info!(dir = %self.dir.display(), "serving the changed certificate");
            }
            Err(error) => {
                if self.follower.failed(contents) {
                    self.tell(&error);
                }
            }
        }
    }

    fn unreadable(&mut self, error: &LoadPair) {
        // Told like contents that do not parse: an empty pair stands for "cannot be read".
        let nothing = Contents {
            certificate: Vec::new(),
            key: Vec::new(),
            bundle: None,
        };
        if self.follower.look(&nothing) == Step::Try && self.follower.failed(nothing) {
            self.tell(error);
        }
    }

    fn tell(&self, error: &LoadPair) {
        self.metrics
            .certificate_reload_failures
            .get_or_create(&LABEL)
            .inc();
        self.metrics.certificate_broken.get_or_create(&LABEL).set(1);
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        tracing::error!(%error, cause, "the changed certificate cannot be used, the former one is served on");
    }
}

/// Reads all files through one resolved folder, so that a swap in between cannot mix two generations: the kubelet
/// mounts a Secret as links through `..data`, a link that it replaces by rename.
fn read(dir: &Path) -> Result<Contents, LoadPair> {
    let generation = dir.join("..data");
    let base = match generation.canonicalize() {
        Ok(base) if base.join(CERTIFICATE).exists() => base,
        _ => dir.to_owned(),
    };
    let file = |name: &str| {
        std::fs::read(base.join(name)).map_err(|source| LoadPair::Read {
            path: dir.join(name),
            source,
        })
    };
    let bundle = match file(BUNDLE) {
        Err(LoadPair::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        other => Some(other?),
    };
    Ok(Contents {
        certificate: file(CERTIFICATE)?,
        key: file(KEY)?,
        bundle,
    })
}

fn parse(dir: &Path, contents: &Contents) -> Result<Served, LoadPair> {
    let (certificate, key_file) = (dir.join(CERTIFICATE), dir.join(KEY));
    let chain = CertificateDer::pem_slice_iter(&contents.certificate)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| LoadPair::CertificatePem {
            path: certificate.clone(),
            source,
        })?;
    if chain.is_empty() {
        return Err(LoadPair::Certificate {
            path: certificate,
            source: ReadLeaf::None,
        });
    }
    let key = PrivateKeyDer::from_pem_slice(&contents.key).map_err(|source| LoadPair::Key {
        path: key_file.clone(),
        source,
    })?;
    let provider = CryptoProvider::get_default().ok_or(LoadPair::Provider)?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|source| LoadPair::Match {
        key: key_file,
        certificate: certificate.clone(),
        source,
    })?;
    Served::new(key).map_err(|source| LoadPair::Certificate {
        path: certificate,
        source,
    })
}

fn warn_of_validity(dir: &Path, served: &Served) {
    let now = std::time::SystemTime::now();
    if served.not_after() <= now {
        tracing::warn!(dir = %dir.display(), "the certificate in tls.crt has expired, callers will refuse it");
    } else if served.not_before() > now {
        tracing::warn!(dir = %dir.display(), "the certificate in tls.crt is not valid yet, callers will refuse it");
    }
}

#[cfg(test)]
mod tests;
