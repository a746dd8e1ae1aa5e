//! A real handshake with our own port, for readiness (rule SV-1): does it answer, and with the certificate that we
//! believe it shows?

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::resolver::Resolver;

/// Shakes hands with the admission port.
#[derive(Debug)]
pub struct Probe {
    targets: Vec<SocketAddr>,
    resolver: Arc<Resolver>,
    caller: Caller,
}

/// The address from which the present probe calls, so that the server does not count a handshake that it ends for
/// want of a client certificate: the probe has none to show.
#[derive(Clone, Debug, Default)]
pub struct Caller(Arc<Mutex<Option<SocketAddr>>>);

impl Caller {
    /// Whether `peer` is the probe.
    pub fn is(&self, peer: SocketAddr) -> bool {
        let known = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.is_some_and(|known| known.port() == peer.port() && peer.ip().to_canonical() == known.ip())
    }

    fn set(&self, address: Option<SocketAddr>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }
}

impl Probe {
    /// For the port bound to `bound`.
    pub fn new(bound: SocketAddr, resolver: Arc<Resolver>, caller: Caller) -> Self {
        let at = |ip: IpAddr| SocketAddr::new(ip, bound.port());
        let targets = match bound.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => vec![at(Ipv4Addr::LOCALHOST.into())],
            // A wildcard IPv6 socket takes IPv4 as well, and IPv6 may be switched off on the loopback.
            IpAddr::V6(ip) if ip.is_unspecified() => {
                vec![at(Ipv4Addr::LOCALHOST.into()), at(Ipv6Addr::LOCALHOST.into())]
            }
            _ => vec![bound],
        };
        Self {
            targets,
            resolver,
            caller,
        }
    }

    /// Tries it; the error says what is wrong.
    pub async fn run(&self) -> Result<(), String> {
        let provider = CryptoProvider::get_default().ok_or("no crypto provider is installed")?;
        let seen = Arc::new(Seen {
            leaf: Mutex::new(None),
            provider: Arc::clone(provider),
        });
        // TLS 1.3 only: there the client is done before the server has judged its (missing) certificate.
        let config = ClientConfig::builder_with_provider(Arc::clone(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&seen) as _)
            .with_no_client_auth();
        let before = self.resolver.served();
        let stream = self.connect().await?;
        let name = ServerName::try_from("localhost").map_err(|error| error.to_string())?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        let after = self.resolver.served();
        connected.map_err(|error| format!("the TLS handshake failed: {error}"))?;
        let leaf = seen.leaf.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It may have been swapped meanwhile.
        if leaf.as_ref() == before.leaf() || leaf.as_ref() == after.leaf() {
            Ok(())
        } else {
            Err("the port shows another certificate than the one that is loaded".to_owned())
        }
    }

    async fn connect(&self) -> Result<TcpStream, String> {
        let mut failure = String::new();
        for target in &self.targets {
            match self.connect_to(*target).await {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = format!("cannot connect to {target}: {error}"),
            }
        }
        Err(failure)
    }

    async fn connect_to(&self, target: SocketAddr) -> std::io::Result<TcpStream> {
        let (socket, any) = match target.ip() {
            IpAddr::V4(_) => (TcpSocket::new_v4()?, IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            IpAddr::V6(_) => (TcpSocket::new_v6()?, IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        };
        // Bound to the target's own address, so that the server knows the caller before it is connected.
        socket.bind(SocketAddr::new(
            if target.ip().is_loopback() {
                target.ip()
            } else {
                any
            },
            0,
        ))?;
        let own = socket.local_addr()?;
        self.caller.set(Some(SocketAddr::new(target.ip(), own.port())));
        socket.connect(target).await
    }
}

/// Takes whatever certificate comes and remembers it: what is asked is which one, not whether it is trusted.
#[derive(Debug)]
struct Seen {
    leaf: Mutex<Option<CertificateDer<'static>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Seen {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(leaf.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("the probe speaks TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            leaf,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
