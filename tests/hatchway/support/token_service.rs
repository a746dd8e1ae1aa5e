//! The service behind a registry's bearer authentication: whoever knows the password gets a token for what is asked.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{Certificate, CertificateParams, KeyPair, PKCS_ED25519, SigningKey};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use super::registry::Account;

/// A token service on loopback; it ends when it is dropped.
pub(crate) struct TokenService {
    office: Arc<Office>,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

struct Office {
    key: KeyPair,
    certificate: Certificate,
    /// `Basic …` as the client must send it, or nothing when everybody gets a token.
    password: Option<String>,
    lifetime: Duration,
    /// The scopes of each token handed out, oldest first.
    issued: Mutex<Vec<String>>,
}

impl TokenService {
    pub(crate) const SERVICE: &str = "test-registry";
    pub(crate) const ISSUER: &str = "test-issuer";
    /// The refresh token that is as good as the password.
    pub(crate) const IDENTITY: &str = "identity&token";

    /// Tokens live for `lifetime`; with an account, only who logs in as that gets one.
    pub(crate) fn start(account: Option<&Account>, lifetime: Duration) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("an Ed25519 key");
        let certificate = CertificateParams::default()
            .self_signed(&key)
            .expect("a certificate");
        let password = account.map(|account| {
            format!(
                "Basic {}",
                STANDARD.encode(format!("{}:{}", account.user, account.password))
            )
        });
        let office = Arc::new(Office {
            key,
            certificate,
            password,
            lifetime,
            issued: Mutex::default(),
        });

        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let router = Router::new()
            .route("/token", get(answer).post(refresh))
            .with_state(Arc::clone(&office));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .expect("a loopback port");
        let address = listener.local_addr().expect("the address just bound");
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self {
            office,
            address,
            runtime: Some(runtime),
        }
    }

    /// `127.0.0.1:PORT`.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// The URL that the registry names in its challenge.
    pub(crate) fn realm(&self) -> String {
        format!("http://{}/token", self.address)
    }

    /// The certificate of the key that signs the tokens, in PEM: what the registry trusts.
    pub(crate) fn certificate_pem(&self) -> String {
        self.office.certificate.pem()
    }

    /// The scopes of each token handed out so far, oldest first, joined with a blank.
    pub(crate) fn issued(&self) -> Vec<String> {
        self.office.issued.lock().unwrap().clone()
    }
}

impl Drop for TokenService {
    fn drop(&mut self) {
        // Allowed inside another runtime, too, where waiting is not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn answer(
    State(office): State<Arc<Office>>,
    headers: HeaderMap,
    Query(query): Query<Vec<(String, String)>>,
) -> (StatusCode, String) {
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    if office
        .password
        .as_deref()
        .is_some_and(|wanted| sent != Some(wanted))
    {
        return refused();
    }
    (StatusCode::OK, office.issue(&query))
}

/// OAuth 2's grant for what docker keeps as `identitytoken`.
async fn refresh(State(office): State<Arc<Office>>, body: String) -> (StatusCode, String) {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    let holds = |name: &str, value: &str| form.iter().any(|(key, found)| key == name && found == value);
    if holds("grant_type", "refresh_token") && holds("refresh_token", TokenService::IDENTITY) {
        return (StatusCode::OK, office.issue(&form));
    }
    refused()
}

fn refused() -> (StatusCode, String) {
    let refusal = json!({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]});
    (StatusCode::UNAUTHORIZED, refusal.to_string())
}

impl Office {
    /// A token for the parameters of a question, in the words of an answer.
    fn issue(&self, parameters: &[(String, String)]) -> String {
        // Clients ask for several scopes with several parameters, or with blanks inside one.
        let scopes: Vec<&str> = parameters
            .iter()
            .filter(|(name, _)| name == "scope")
            .flat_map(|(_, value)| value.split_whitespace())
            .collect();
        let token = self.token(&scopes);
        self.issued.lock().unwrap().push(scopes.join(" "));
        json!({"token": token, "access_token": token, "expires_in": self.lifetime.as_secs()}).to_string()
    }

    /// A JSON Web Token as the distribution project's token specification has it.
    fn token(&self, scopes: &[&str]) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs();
        let header = json!({"typ": "JWT", "alg": "EdDSA", "x5c": [STANDARD.encode(self.certificate.der())]});
        let claims = json!({
            "iss": TokenService::ISSUER, "aud": TokenService::SERVICE, "sub": "",
            "iat": now, "nbf": now - 10, "exp": now + self.lifetime.as_secs(),
            "jti": format!("{now}-{}", self.issued.lock().unwrap().len()),
            "access": access(scopes),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(signed.as_bytes()).expect("Ed25519 signs anything");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// `repository:team/app:pull,push` as the claim that grants it.
fn access(scopes: &[&str]) -> Vec<Value> {
    let mut granted = BTreeMap::<(&str, &str), Vec<&str>>::new();
    for scope in scopes {
        // The name may hold a colon itself (a host with a port): the kind ends at the first, the actions begin at the last.
        if let Some((kind, rest)) = scope.split_once(':')
            && let Some((name, actions)) = rest.rsplit_once(':')
        {
            granted
                .entry((kind, name))
                .or_default()
                .extend(actions.split(','));
        }
    }
    granted
        .into_iter()
        .map(|((kind, name), actions)| json!({"type": kind, "name": name, "actions": actions}))
        .collect()
}
