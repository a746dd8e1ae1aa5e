//! Credentials for registries, in the form of docker's `config.json` (rule MS-2).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, PAD_INDIFFERENT};
use serde_json::{Map, Value};

use super::host::{canonical_host, host_of_address};
use super::quoted::quoted;

/// The standard alphabet; padding may be missing, and bits too many are passed over as Go does.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    PAD_INDIFFERENT.with_decode_allow_trailing_bits(true),
);

/// The fields of an entry by which the old form, which has its hosts at the top, is known.
const ENTRY_FIELDS: [&str; 5] = ["auth", "username", "password", "email", "identitytoken"];

/// The `auths` of a docker config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockerConfig {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// As written, for a match that is exact.
    address: String,
    host: String,
    credentials: Credentials,
}

/// How to present oneself to a registry. Its `Debug` hides the secret, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password, for basic authentication and for token servers.
    Basic {
        /// The name.
        username: String,
        /// The secret.
        password: String,
    },
    /// A refresh token for the registry's token server, which docker prefers to a password.
    IdentityToken(String),
}

/// Why a text is no [`DockerConfig`]. No variant holds anything of the text but names of hosts and fields.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseDockerConfigError {
    /// Not base64, and not an object in JSON.
    #[error("neither base64 nor JSON, write the base64 of a docker config such as {EXAMPLE}")]
    NeitherBase64NorJson,
    /// Base64 of something else.
    #[error(
        "base64 of something that is not a JSON object, write the base64 of a docker config such as {EXAMPLE}"
    )]
    NotJson,
    /// It opens like an object, then breaks.
    #[error("malformed JSON at line {line}, column {column}, write a docker config such as {EXAMPLE}")]
    MalformedJson {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// `credHelpers` or `credsStore`.
    #[error(
        "a docker config with a credential helper in {0:?}, write the credentials themselves into \"auths\""
    )]
    CredentialHelper(&'static str),
    /// The form of `.dockercfg`, hosts at the top.
    #[error("a docker config in the old form of .dockercfg, put its hosts under \"auths\" such as {EXAMPLE}")]
    OldForm,
    /// No `auths`.
    #[error("a docker config without \"auths\", write one such as {EXAMPLE}")]
    NoAuths,
    /// `auths`, or something in it, has the wrong type.
    #[error("a docker config with a malformed {field}, write one such as {EXAMPLE}")]
    WrongType {
        /// What it is that is malformed.
        field: String,
    },
    /// An entry says nothing that could be presented.
    #[error(
        "a docker config without credentials for {}, write \"auth\", \"username\" and \"password\", or \"identitytoken\"",
        quoted(.host)
    )]
    NoCredentials {
        /// The entry's host.
        host: String,
    },
    /// An entry's `auth` is not base64 of `user:password`.
    #[error("a docker config with a malformed \"auth\" for {}, write the base64 of user:password", quoted(.host))]
    Auth {
        /// The entry's host.
        host: String,
    },
}

/// What a docker config looks like.
const EXAMPLE: &str = r#"{"auths":{"registry.example.com":{"auth":"<base64 of user:password>"}}}"#;

impl DockerConfig {
    /// Reads base64 of a docker config, with or without line breaks and padding, or the config itself.
    pub fn parse(text: &str) -> Result<Self, ParseDockerConfigError> {
        use ParseDockerConfigError as Error;
        let text = text.trim();
        let top = if text.starts_with('{') {
            json_object(text)?
        } else {
            let decoded = decode(text)
                .filter(|_| !text.is_empty())
                .ok_or(Error::NeitherBase64NorJson)?;
            let decoded = String::from_utf8(decoded).map_err(|_| Error::NotJson)?;
            let decoded = decoded.trim();
            if !decoded.starts_with('{') {
                return Err(Error::NotJson);
            }
            json_object(decoded)?
        };
        for helper in ["credHelpers", "credsStore"] {
            if top.get(helper).is_some_and(|value| !is_empty(value)) {
                return Err(Error::CredentialHelper(helper));
            }
        }
        let auths = match top.get("auths") {
            Some(Value::Object(auths)) => auths,
            Some(Value::Null) | None if is_old_form(&top) => return Err(Error::OldForm),
            Some(Value::Null) | None => return Err(Error::NoAuths),
            Some(_) => {
                return Err(Error::WrongType {
                    field: "\"auths\"".to_owned(),
                });
            }
        };
        let entries = auths
            .iter()
            .map(|(address, value)| Entry::read(address, value))
            .collect::<Result<_, _>>()?;
        Ok(Self { entries })
    }

    /// The credentials for a host, given with its port if it has one. An entry under this very name goes before one
    /// under another name of the same host.
    pub fn credentials_for(&self, host: &str) -> Option<&Credentials> {
        let canonical = canonical_host(host);
        (self.entries.iter().find(|entry| entry.address == host))
            .or_else(|| self.entries.iter().find(|entry| entry.host == canonical))
            .map(|entry| &entry.credentials)
    }

    /// The hosts that have credentials, in lower case, Docker Hub as `docker.io`. One with several entries comes
    /// several times.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.host.as_str())
    }
}

impl Entry {
    fn read(address: &str, value: &Value) -> Result<Self, ParseDockerConfigError> {
        let host = host_of_address(address);
        let wrong = |what: &str| ParseDockerConfigError::WrongType {
            field: format!("{what} for {}", quoted(&host)),
        };
        let fields = value.as_object().ok_or_else(|| wrong("entry"))?;
        // Docker writes empty strings for what it does not have.
        let field = |name: &str| match fields.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(wrong(&format!("{name:?}"))),
        };
        let (auth, token) = (field("auth")?, field("identitytoken")?);
        let credentials = match (token, auth, field("username")?, field("password")?) {
            (Some(token), ..) => Credentials::IdentityToken(token.to_owned()),
            (None, Some(auth), ..) => Credentials::from_auth(auth)
                .ok_or_else(|| ParseDockerConfigError::Auth { host: host.clone() })?,
            (None, None, Some(username), Some(password)) => Credentials::Basic {
                username: username.to_owned(),
                password: password.to_owned(),
            },
            _ => return Err(ParseDockerConfigError::NoCredentials { host }),
        };
        Ok(Self {
            address: address.to_owned(),
            host,
            credentials,
        })
    }
}

impl Credentials {
    fn from_auth(auth: &str) -> Option<Self> {
        let decoded = String::from_utf8(decode(auth)?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        // Old dockers padded with zero bytes, and docker still takes them off.
        Some(Self::Basic {
            username: username.to_owned(),
            password: password.trim_matches('\0').to_owned(),
        })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { username, .. } => f
                .debug_struct("Basic")
                .field("username", username)
                .field("password", &format_args!("<hidden>"))
                .finish(),
            Self::IdentityToken(_) => f
                .debug_tuple("IdentityToken")
                .field(&format_args!("<hidden>"))
                .finish(),
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let one_line: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(one_line).ok()
}

/// serde_json's own message may repeat what it read, so that only its place goes on.
fn json_object(text: &str) -> Result<Map<String, Value>, ParseDockerConfigError> {
    serde_json::from_str(text).map_err(|error| ParseDockerConfigError::MalformedJson {
        line: error.line(),
        column: error.column(),
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

fn is_old_form(top: &Map<String, Value>) -> bool {
    let has_entry_fields =
        |fields: &Map<String, Value>| ENTRY_FIELDS.iter().any(|name| fields.contains_key(*name));
    top.values().filter_map(Value::as_object).any(has_entry_fields)
}

#[cfg(test)]
mod tests;
