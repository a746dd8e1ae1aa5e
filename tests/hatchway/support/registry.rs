//! Real registries on loopback, empty at first, gone with the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use super::authority::{Authority, KeyFiles};
use super::parts;
use super::process::Process;
use super::token_service::TokenService;

/// Whose registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Version 3 of the distribution project's: pages of tags with `Link`.
    Distribution,
    /// Debian's 2.8: all tags at once, in no order.
    Debian,
}

/// Whatever holds of one has to hold of the other.
pub(crate) const BOTH: [Flavour; 2] = [Flavour::Distribution, Flavour::Debian];

/// How the registry is to be reached. The default is the plainest: version 3, HTTP, open to everybody.
#[derive(Default)]
pub(crate) struct Settings<'a> {
    pub(crate) flavour: Option<Flavour>,
    /// HTTPS with a certificate that this authority signs.
    pub(crate) tls: Option<&'a Authority>,
    /// HTTPS with this very certificate.
    pub(crate) certificate: Option<&'a KeyFiles>,
    /// Basic authentication, for these accounts only.
    pub(crate) accounts: &'a [Account],
    /// Bearer authentication with tokens from there (version 3 only: 2.8 does not know Ed25519).
    pub(crate) tokens: Option<&'a TokenService>,
    /// The URL that the challenge names in place of the service's own.
    pub(crate) realm: Option<&'a str>,
}

/// Someone who may pull and push.
pub(crate) struct Account {
    pub(crate) user: &'static str,
    pub(crate) password: &'static str,
    /// bcrypt, at the lowest cost: it is checked on every request.
    hash: &'static str,
}

pub(crate) const ALICE: Account = Account {
    user: "alice",
    password: "first-password",
    hash: "$2b$04$no54NwWw8GZULU/cjCmSzuYqGhOaC5Oq.lAXch9KYMZWkAsSmZhl6",
};
pub(crate) const BOB: Account = Account {
    user: "bob",
    password: "second-password",
    hash: "$2b$04$5.ivQPMQkuDW9XuLl9ppK.A739X9u1Bx2e/TNSL/73yXFTv5w24ty",
};

/// A running registry.
pub(crate) struct Registry {
    _process: Process,
    address: SocketAddr,
    scheme: &'static str,
    folder: PathBuf,
}

impl Registry {
    /// A registry of that flavour over plain HTTP, open to everybody.
    pub(crate) fn open(flavour: Flavour) -> Self {
        Self::start(&Settings {
            flavour: Some(flavour),
            ..Settings::default()
        })
    }

    pub(crate) fn start(settings: &Settings<'_>) -> Self {
        let unowned = tempfile::Builder::new()
            .prefix("hatchway-registry-")
            .tempdir()
            .expect("a folder for temporary files");
        let folder = unowned.path().to_owned();
        let configuration = folder.join("config.yaml");
        std::fs::write(&configuration, configure(settings, &folder)).expect("the folder is writable");

        let program = match settings.flavour.unwrap_or(Flavour::Distribution) {
            Flavour::Distribution => parts::distribution_registry(),
            Flavour::Debian => parts::debian_registry(),
        };
        let mut command = Command::new(program);
        // Version 3 sends traces to localhost:4318 unless told not to.
        command
            .env("OTEL_TRACES_EXPORTER", "none")
            .arg("serve")
            .arg(configuration);
        let process = Process::start(&command, &folder.join("registry.log"), Some(&folder));
        // From here on the folder goes with the process.
        let _owned = unowned.keep();
        let address = process.until("the registry listens", Duration::from_secs(30), || {
            address_in(&process.log())
        });
        let secure = settings.tls.is_some() || settings.certificate.is_some();
        let scheme = if secure { "https" } else { "http" };
        Self {
            _process: process,
            address,
            scheme,
            folder,
        }
    }

    /// `127.0.0.1:PORT`, as it stands in references.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// `http://127.0.0.1:PORT`, or `https://…`.
    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Where it keeps what it holds.
    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("store")
    }

    /// Replaces the accounts: the registry reads the file again when it changes, as after a rotated password.
    pub(crate) fn set_accounts(&self, accounts: &[Account]) {
        write_accounts(&self.folder, accounts);
    }
}

/// The configuration file; JSON is YAML.
fn configure(settings: &Settings<'_>, folder: &Path) -> String {
    let mut configuration = json!({
        "version": 0.1,
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": folder.join("store")}, "delete": {"enabled": true}},
        "http": {"addr": "127.0.0.1:0", "secret": "of no use to a single replica"},
    });
    let signed = settings
        .tls
        .map(|authority| authority.loopback_server(folder, "server"));
    if let Some(files) = signed.as_ref().or(settings.certificate) {
        configuration["http"]["tls"] = json!({"certificate": files.certificate, "key": files.key});
    }
    if !settings.accounts.is_empty() {
        let file = write_accounts(folder, settings.accounts);
        configuration["auth"]["htpasswd"] = json!({"realm": "test", "path": file});
    }
    if let Some(tokens) = settings.tokens {
        let trusted = folder.join("tokens.crt");
        std::fs::write(&trusted, tokens.certificate_pem()).expect("the folder is writable");
        configuration["auth"]["token"] = json!({
            "realm": settings.realm.map_or_else(|| tokens.realm(), ToOwned::to_owned),
            "service": TokenService::SERVICE,
            "issuer": TokenService::ISSUER,
            "rootcertbundle": trusted,
        });
    }
    configuration.to_string()
}

fn write_accounts(folder: &Path, accounts: &[Account]) -> PathBuf {
    let file = folder.join("htpasswd");
    let lines: Vec<_> = accounts
        .iter()
        .map(|account| format!("{}:{}", account.user, account.hash))
        .collect();
    std::fs::write(&file, lines.join("\n")).expect("the folder is writable");
    file
}

/// Both versions log `msg="listening on 127.0.0.1:41234"`, with `, tls` behind it for HTTPS.
fn address_in(log: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once("listening on ")?;
    rest.split(['"', ',']).next()?.parse().ok()
}
