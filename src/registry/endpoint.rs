//! What a client talks to: the address of a repository of modules, and what is shown to be let in.

use std::fmt;

use url::Url;

use crate::network::is_loopback;

/// A repository that holds modules, as a ModuleSource or a flag names it: the client's own input type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Source {
    /// How the host is spoken to.
    pub scheme: Scheme,
    /// Host with an optional port: `registry.example.com`, `127.0.0.1:5000`.
    pub host: String,
    /// Path of the repository that lists the modules, without slashes at its ends: `deckhouse/modules`. May be empty.
    pub path: String,
    /// PEM certificates trusted beside the system's own.
    pub ca: Option<String>,
    /// What to show when the registry asks; `None` is anonymous.
    pub credentials: Option<Credentials>,
}

/// How a registry is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// What a docker config holds for a host.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// A user and a password, sent to the registry or traded for tokens.
    Basic {
        /// The user's name.
        user: String,
        /// The password or access token.
        password: Secret,
    },
    /// An `identitytoken`: an OAuth 2 refresh token, traded for access tokens.
    IdentityToken(Secret),
}

/// A text that never shows itself in logs and errors.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the wire only.
    pub(super) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Source {
    /// An anonymous source that trusts what the system trusts.
    pub fn new(scheme: Scheme, host: impl Into<String>, path: impl Into<String>) -> Self {
        let path: String = path.into();
        Self {
            scheme,
            host: host.into(),
            path: path.trim_matches('/').to_owned(),
            ca: None,
            credentials: None,
        }
    }

    /// The repository of module `module`: `<path>/<module>`.
    pub fn module_path(&self, module: &str) -> String {
        self.below(module)
    }

    /// The repository of the release images of `module`: `<path>/<module>/release` (rule REG-1).
    pub fn release_path(&self, module: &str) -> String {
        self.below(&format!("{module}/release"))
    }

    /// The URL of the distribution API's `path`, which starts with `/v2/`.
    pub(super) fn url(&self, path: &str) -> Result<Url, url::ParseError> {
        Url::parse(&format!("{}://{}{path}", self.scheme.as_str(), self.api_host()))
    }

    fn below(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}/{name}", self.path)
        }
    }

    /// Docker Hub is named `docker.io` and answers elsewhere.
    fn api_host(&self) -> &str {
        match self.host.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            host => host,
        }
    }
}

impl Scheme {
    /// The scheme where none is chosen: loopback is HTTP, or HTTPS when a CA is given; everything else HTTPS.
    pub fn default_for(host: &str, with_ca: bool) -> Self {
        if is_loopback(host_without_port(host)) && !with_ca {
            Self::Http
        } else {
            Self::Https
        }
    }

    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

fn host_without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_http_to_loopback_unless_a_ca_is_given() {
        for host in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.8.9.1",
            "[::1]:5000",
            "[::1]",
        ] {
            assert_eq!(Scheme::default_for(host, false), Scheme::Http, "{host}");
            assert_eq!(Scheme::default_for(host, true), Scheme::Https, "{host}");
        }
        for host in [
            "registry.example.com",
            "10.0.0.1:5000",
            "localhost.example.com",
            "[fe80::1]:80",
        ] {
            assert_eq!(Scheme::default_for(host, false), Scheme::Https, "{host}");
        }
    }

    #[test]
    fn asks_docker_hub_where_it_answers() {
        let url = Source::new(Scheme::Https, "docker.io", "library")
            .url("/v2/")
            .unwrap();
        assert_eq!(url.as_str(), "https://registry-1.docker.io/v2/");
    }

    #[test]
    fn hides_secrets_in_debug_output() {
        let mut source = Source::new(Scheme::Https, "registry.example.com", "/m/");
        source.credentials = Some(Credentials::Basic {
            user: "u".into(),
            password: Secret::new("hunter2"),
        });
        assert!(!format!("{source:?}").contains("hunter2"));
        assert_eq!(source.release_path("echo"), "m/echo/release");
    }
}
