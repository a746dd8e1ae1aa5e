use super::stub::{Seen, impatient, network, ok, response, router};
use hatchway::network::Proxies;
use hatchway::registry::{Network, Options, Scheme, Source, words};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

const EMPTY: &str = r#"{"tags":[]}"#;

struct Secure {
    host: String,
    pem: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    handshakes: Arc<std::sync::atomic::AtomicUsize>,
    task: JoinHandle<()>,
}

impl Drop for Secure {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn secure(
    name: &str,
    ca: bool,
    answer: impl Fn(&Seen) -> axum::response::Response + Send + Sync + 'static,
) -> Secure {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    if ca {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let certificate = params.self_signed(&key).unwrap();
    #[cfg(feature = "ring")]
    let provider = rustls::crypto::ring::default_provider();
    #[cfg(not(feature = "ring"))]
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let router = router(Arc::clone(&seen), Arc::new(answer));
    let handshakes = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&handshakes);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let (acceptor, service) = (acceptor.clone(), TowerToHyperService::new(router.clone()));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                }
            });
        }
    });
    Secure {
        host,
        pem: certificate.pem(),
        seen,
        handshakes,
        task,
    }
}

fn source(host: &str, ca: Option<&str>) -> Source {
    Source {
        ca: ca.map(Into::into),
        ..Source::new(Scheme::Https, host, "modules")
    }
}

#[tokio::test]
async fn trusts_a_self_signed_server_that_is_in_its_ca() {
    for ca in [false, true] {
        let server = secure("127.0.0.1", ca, |_| ok(EMPTY)).await;
        let client = network().client(source(&server.host, Some(&server.pem))).unwrap();
        client.root().tags().await.unwrap();
        assert_eq!(server.seen.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn refuses_other_servers_and_does_not_try_again() {
    let (server, other) = (
        secure("127.0.0.1", true, |_| ok(EMPTY)).await,
        secure("127.0.0.1", true, |_| ok(EMPTY)).await,
    );
    let client = network().client(source(&server.host, Some(&other.pem))).unwrap();
    let error = words(&client.root().tags().await.unwrap_err());
    assert!(error.contains("invalid peer certificate"), "{error}");
    assert_eq!(server.handshakes.load(std::sync::atomic::Ordering::SeqCst), 1);
    let elsewhere = secure("registry.example.com", true, |_| ok(EMPTY)).await;
    let client = network()
        .client(source(&elsewhere.host, Some(&elsewhere.pem)))
        .unwrap();
    let error = words(&client.root().tags().await.unwrap_err());
    assert!(error.contains("not valid for name"), "{error}");
}

#[tokio::test]
async fn never_goes_from_https_down_to_http() {
    let server = secure("127.0.0.1", true, |seen| match seen.path.as_str() {
        "/v2/redirects/tags/list" => response(302, &[("location", "http://127.0.0.1:1/")], ""),
        _ => response(
            401,
            &[("www-authenticate", r#"Bearer realm="http://127.0.0.1:1/token""#)],
            "",
        ),
    })
    .await;
    let client = network().client(source(&server.host, Some(&server.pem))).unwrap();
    let error = words(&client.repository("redirects").tags().await.unwrap_err());
    assert!(
        error.ends_with("a redirect from HTTPS to HTTP, to host \"127.0.0.1\""),
        "{error}"
    );
    let error = words(&client.repository("tokens").tags().await.unwrap_err());
    assert!(
        error.contains("wants its tokens fetched from \"http://127.0.0.1:1/token\", which is not HTTPS"),
        "{error}"
    );
}

#[tokio::test]
async fn reaches_https_through_a_tunnel_and_http_through_a_forwarding_proxy() {
    let server = secure("registry.example.com", true, |_| ok(EMPTY)).await;
    // A proxy that tunnels whatever it is asked for to the one server.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (to, asked) = (server.host.clone(), Arc::new(Mutex::new(Vec::<String>::new())));
    let lines = Arc::clone(&asked);
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            loop {
                let mut line = String::new();
                stream.read_line(&mut line).await.unwrap();
                if line == "\r\n" {
                    break;
                }
                lines.lock().unwrap().push(line.trim().to_owned());
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut upstream = TcpStream::connect(&to).await.unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut stream, &mut upstream).await });
        }
    });
    let through = |address: &str| {
        let proxies = Proxies::all(address, "");
        Network::new(Options {
            proxies,
            patience: impatient(),
            ..Options::default()
        })
    };
    let network = through(&format!("http://user:pass@{address}"));
    let client = network
        .client(source("registry.example.com", Some(&server.pem)))
        .unwrap();
    client.root().tags().await.unwrap();
    let asked = asked.lock().unwrap().clone();
    assert!(
        asked[0].starts_with("CONNECT registry.example.com:443 "),
        "{asked:?}"
    );
    assert!(
        asked
            .iter()
            .any(|line| line.eq_ignore_ascii_case("proxy-authorization: Basic dXNlcjpwYXNz")),
        "{asked:?}"
    );
    task.abort();

    let proxy = super::stub::Stub::start(|_| ok(EMPTY)).await;
    let network = through(&format!("http://{}", proxy.host));
    let client = network
        .client(Source::new(Scheme::Http, "registry.example.com:5000", "modules"))
        .unwrap();
    client.root().tags().await.unwrap();
    assert_eq!(
        proxy.seen()[0].authority.as_deref(),
        Some("registry.example.com:5000")
    );
}
