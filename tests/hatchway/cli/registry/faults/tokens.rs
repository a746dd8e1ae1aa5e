//! Token services and tokens that give trouble. Debian's registry does not know the tokens' kind of key.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::cli::Ran;
use crate::cli::registry::{module, registry, says};
use crate::support::fault_proxy::{Fault, FaultProxy, Rule};
use crate::support::registry::{ALICE, Registry, Settings};
use crate::support::token_service::TokenService;

/// A registry and its token service, each behind a proxy.
struct Tokens {
    service: TokenService,
    office: FaultProxy,
    _registry: Registry,
    proxy: FaultProxy,
    dir: tempfile::TempDir,
}

impl Tokens {
    fn new() -> Self {
        let service = TokenService::start(Some(&ALICE), Duration::from_mins(5));
        let office = FaultProxy::start(&service.host());
        let realm = format!("{}/token", office.url());
        let registry = Registry::start(&Settings {
            tokens: Some(&service),
            realm: Some(&realm),
            ..Settings::default()
        });
        let tokens = Self {
            proxy: FaultProxy::start(&registry.host()),
            service,
            office,
            _registry: registry,
            dir: tempfile::tempdir().unwrap(),
        };
        let auth = STANDARD.encode(format!("{}:{}", ALICE.user, ALICE.password));
        tokens.log_in(&json!({"auth": auth}));
        let module = module();
        let dir = module.path().to_str().unwrap();
        let ran = tokens.run(&["publish", dir, "--repo", &tokens.repo(), "--version", "v1.0.0"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        tokens
    }

    fn repo(&self) -> String {
        format!("{}/modules", self.proxy.host())
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config.json")
    }

    fn log_in(&self, entry: &Value) {
        let config = json!({"auths": {self.proxy.host(): entry}});
        std::fs::write(self.config(), config.to_string()).unwrap();
    }

    fn run(&self, command: &[&str]) -> Ran {
        let config = self.config();
        registry(&[command, &["--docker-config", config.to_str().unwrap()]].concat())
    }

    /// Pulls under rules for the registry and for the token service.
    fn pull(&self, registry: &[Rule], office: &[Rule], target: &Path) -> Ran {
        self.proxy.obey(registry);
        self.office.obey(office);
        let image = format!("{}/echo:v1.0.0", self.repo());
        self.run(&["pull", &image, target.to_str().unwrap(), "--replace"])
    }

    #[track_caller]
    fn pulls(&self, registry: &[Rule], office: &[Rule]) {
        let target = self.dir.path().join("echo");
        let ran = self.pull(registry, office, &target);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(target.join("module.yaml").exists());
        std::fs::remove_dir_all(target).unwrap();
    }

    #[track_caller]
    fn fails(&self, registry: &[Rule], office: &[Rule]) -> String {
        let ran = self.pull(registry, office, &self.dir.path().join("echo"));
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{}", ran.stderr);
        assert_eq!(std::fs::read_dir(self.dir.path()).unwrap().count(), 1);
        assert!(!ran.stderr.contains(ALICE.password), "{}", ran.stderr);
        ran.stderr
    }
}

#[test]
fn one_token_serves_manifest_and_layer() {
    let tokens = Tokens::new();
    tokens.pulls(&[], &[]);
    let asked = tokens.office.asked();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(asked[0].authorization.as_deref().unwrap().starts_with("Basic "));
    let shown: Vec<_> = tokens.proxy.asked();
    assert_eq!(shown.len(), 3, "one 401, a manifest, a layer");
    assert!(
        shown[1..]
            .iter()
            .all(|one| one.authorization.as_deref().unwrap().starts_with("Bearer "))
    );
}

#[test]
fn a_token_service_on_a_bad_line_is_asked_again() {
    let tokens = Tokens::new();
    let away = Fault::Answer {
        status: 503,
        headers: Vec::new(),
        body: String::new(),
    };
    let wait = Fault::refusal(429, "TOOMANYREQUESTS", "slow down").with("retry-after", "1");
    for fault in [away.clone(), Fault::Reset, Fault::Cut(10), wait] {
        tokens.pulls(&[], &[Rule::first(1, "GET", "/token", fault.clone())]);
        assert_eq!(tokens.office.asked().len(), 2, "{fault:?}");
    }
    let said = tokens.fails(&[], &[Rule::each("GET", "/token", away)]);
    let url = format!(
        "{}/token?service=test-registry&scope=repository%3Amodules%2Fecho%3Apull",
        tokens.office.url()
    );
    assert_eq!(
        said,
        format!("error: fetch image error: GET {url}: unexpected status code 503 Service Unavailable\n")
    );
    assert_eq!(tokens.office.asked().len(), 5);
}

#[test]
fn a_token_service_that_talks_nonsense_or_without_an_end_is_told() {
    let tokens = Tokens::new();
    let page = |body: &str| Fault::Answer {
        status: 200,
        headers: Vec::new(),
        body: body.to_owned(),
    };
    for (fault, said) in [
        (Fault::Endless, ": the answer is longer than 262144 bytes\n"),
        (page("<html>"), ": the answer holds no token\n"),
        (page(r#"{"token":""}"#), ": the answer holds no token\n"),
        (
            page("{\"token\":\"a\\nb\"}"),
            ": the token holds characters that no header may\n",
        ),
    ] {
        let text = tokens.fails(&[], &[Rule::each("GET", "/token", fault)]);
        assert!(text.ends_with(said), "{text}");
        assert!(text.starts_with(&format!(
            "error: fetch image error: GET {}/token",
            tokens.office.url()
        )));
        assert_eq!(tokens.office.asked().len(), 1);
    }
}

#[test]
fn a_refused_token_is_renewed_once() {
    let tokens = Tokens::new();
    let challenge = format!(
        "Bearer realm=\"{}/token\",service=\"{}\",scope=\"repository:modules/echo:pull\",error=\"invalid_token\"",
        tokens.office.url(),
        TokenService::SERVICE
    );
    let refused =
        Fault::refusal(401, "UNAUTHORIZED", "authentication required").with("www-authenticate", challenge);
    tokens.pulls(&[Rule::first(1, "GET", "/blobs/", refused.clone())], &[]);
    assert_eq!(tokens.office.asked().len(), 2);
    let layers = tokens.proxy.asked_for("/blobs/");
    assert_eq!(layers.len(), 2);
    assert_ne!(layers[0].authorization, layers[1].authorization);

    let said = tokens.fails(&[Rule::each("GET", "/blobs/", refused)], &[]);
    assert!(
        said.ends_with(": UNAUTHORIZED: authentication required\n"),
        "{said}"
    );
    assert_eq!(
        (
            tokens.proxy.asked_for("/blobs/").len(),
            tokens.office.asked().len()
        ),
        (2, 2)
    );
}

#[test]
fn an_identity_token_is_traded_for_tokens() {
    let tokens = Tokens::new();
    // Docker keeps a user beside it, whose password is empty.
    tokens
        .log_in(&json!({"auth": STANDARD.encode("00000000-0000:"), "identitytoken": TokenService::IDENTITY}));
    tokens.pulls(&[], &[]);
    let asked = tokens.office.asked();
    assert_eq!(
        (asked.len(), asked[0].method.as_str(), asked[0].target.as_str()),
        (1, "POST", "/token")
    );
    assert_eq!(asked[0].authorization, None);
    assert!(
        tokens
            .service
            .issued()
            .contains(&"repository:modules/echo:pull".to_owned())
    );

    tokens.log_in(&json!({"identitytoken": "s3cret"}));
    let said = tokens.fails(&[], &[]);
    assert_eq!(
        said,
        format!(
            "error: fetch image error: POST {}/token: UNAUTHORIZED: incorrect username or password\n",
            tokens.office.url()
        )
    );
}

#[test]
fn a_token_is_not_fetched_in_the_clear_for_a_registry_over_tls() {
    let tokens = Tokens::new();
    let authority = crate::support::authority::Authority::new();
    let files = authority.loopback_server(tokens.dir.path(), "proxy");
    let ca = tokens.dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).unwrap();
    let secure = FaultProxy::secure(&tokens.proxy.host(), &files);
    let auth = STANDARD.encode(format!("{}:{}", ALICE.user, ALICE.password));
    let config = json!({"auths": {secure.host(): {"auth": auth}}});
    std::fs::write(tokens.config(), config.to_string()).unwrap();
    tokens.office.obey(&[]);
    let repo = format!("{}/modules", secure.host());
    let ran = tokens.run(&["tags", "echo", "--repo", &repo, "--ca", ca.to_str().unwrap()]);
    assert_eq!(ran.code, 2);
    assert_eq!(
        ran.stderr,
        format!(
            "error: registry {} wants its tokens fetched from \"{}/token\", which is not HTTPS\n",
            secure.host(),
            tokens.office.url()
        )
    );
    assert_eq!(tokens.office.asked().len(), 0);
    // Nobody's fault: over plain HTTP they are fetched.
    tokens.log_in(&json!({"auth": auth}));
    assert_eq!(
        says(&[
            "tags",
            "echo",
            "--repo",
            &tokens.repo(),
            "--docker-config",
            tokens.config().to_str().unwrap()
        ]),
        "v1.0.0\n"
    );
}
