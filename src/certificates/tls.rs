//! How the admission port speaks TLS: versions, ALPN, and whether callers must show a certificate.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, VerifierBuilderError, WebPkiClientVerifier};

use super::resolver::Resolver;

/// The configuration for the next handshake.
#[derive(Debug)]
pub struct Tls {
    resolver: Arc<Resolver>,
    config: ArcSwap<ServerConfig>,
}

/// No TLS configuration could be made.
#[derive(Debug, thiserror::Error)]
pub enum BuildTls {
    /// The program did not install rustls' provider.
    #[error("no crypto provider is installed")]
    Provider,
    /// Versions and cipher suites do not fit.
    #[error("the TLS versions cannot be set")]
    Versions(#[source] rustls::Error),
    /// The client CA cannot verify anybody.
    #[error("the client CA cannot be used")]
    ClientCa(#[from] VerifierBuilderError),
}

impl Tls {
    /// `callers`: the CAs one of which must have signed the caller's certificate; none asks for no certificate.
    pub fn new(resolver: Arc<Resolver>, callers: Option<RootCertStore>) -> Result<Self, BuildTls> {
        let config = ArcSwap::from(build(&resolver, callers)?);
        Ok(Self { resolver, config })
    }

    /// For the next handshake.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Who decides on the certificate.
    pub fn resolver(&self) -> &Arc<Resolver> {
        &self.resolver
    }

    /// From the next handshake on, callers are checked against these CAs.
    pub fn require(&self, callers: RootCertStore) -> Result<(), BuildTls> {
        self.config.store(build(&self.resolver, Some(callers))?);
        Ok(())
    }
}

/// Makes the provider of the build (feature `ring` or `aws-lc-rs`) the one of the process. To be called before anything
/// speaks TLS; a second call changes nothing.
pub fn install_provider() {
    #[cfg(feature = "aws-lc-rs")]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    #[cfg(not(feature = "aws-lc-rs"))]
    let provider = rustls::crypto::ring::default_provider();
    // An error means that there is one already.
    drop(provider.install_default());
}

fn build(resolver: &Arc<Resolver>, callers: Option<RootCertStore>) -> Result<Arc<ServerConfig>, BuildTls> {
    let provider = CryptoProvider::get_default().ok_or(BuildTls::Provider)?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_safe_default_protocol_versions()
        .map_err(BuildTls::Versions)?;
    let builder = match callers {
        None => builder.with_no_client_auth(),
        Some(roots) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::clone(resolver) as _);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // No resumption: API servers keep their connections and do not resume, tickets cost every handshake a tenth, and
    // a resumed session would carry a client certificate past a client CA that was changed meanwhile.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
