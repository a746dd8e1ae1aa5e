//! What can go wrong on the way to a registry and back. Texts name method, URL and the registry's own words
//! (rule REG-4), never a credential.

use std::error::Error;
use std::fmt;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::goprint::GoPrint;

/// Errors of other crates, kept as sources.
pub(super) type BoxError = Box<dyn Error + Send + Sync>;

/// At most this much of what a registry says is repeated, in characters.
const WORDS: usize = 1024;

/// A request that brought no answer, or not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The registry answered, and said no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The registry asked to be left alone for longer than the client is willing to wait (rule REG-7).
    #[error("registry {host} asks to wait until {until}: {status} {code}")]
    Throttled {
        /// The host that asked, with its port when it is not the scheme's own.
        host: String,
        /// Until when; whole seconds.
        until: Timestamp,
        /// 429 or 503.
        status: u16,
        /// The registry's code, `TOOMANYREQUESTS` or `UNAVAILABLE` where it gave none.
        code: String,
    },
    /// No connection, or one that broke before the answer was complete.
    #[error("{method} {url}")]
    Broken {
        /// The request's method.
        method: Method,
        /// The request's URL.
        url: String,
        /// What broke.
        #[source]
        source: BoxError,
    },
    /// Nothing moved for too long.
    #[error("{method} {url}: no progress for {seconds} s")]
    Stalled {
        /// The request's method.
        method: Method,
        /// The request's URL.
        url: String,
        /// The patience that ran out, in seconds.
        seconds: u64,
    },
    /// The body is longer than anything sensible.
    #[error("{method} {url}: the answer is longer than {limit} bytes")]
    TooLong {
        /// The request's method.
        method: Method,
        /// The request's URL.
        url: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// A redirect that is not followed.
    #[error("{method} {url}: {reason}")]
    Redirect {
        /// The request's method.
        method: Method,
        /// The URL that redirected.
        url: String,
        /// Why it is not followed.
        reason: String,
    },
    /// Credentials are not sent in the clear where the registry itself is spoken to over TLS.
    #[error("registry {host} wants its tokens fetched from \"{realm}\", which is not HTTPS")]
    InsecureRealm {
        /// The registry.
        host: String,
        /// What it named.
        realm: String,
    },
    /// An answer that makes no sense.
    #[error("{method} {url}: {reason}")]
    Nonsense {
        /// The request's method.
        method: Method,
        /// The request's URL.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The source's address makes no URL.
    #[error("\"{address}\" is no address of a registry")]
    Address {
        /// What was given.
        address: String,
        /// Why it is none.
        #[source]
        source: url::ParseError,
    },
}

impl RequestError {
    /// The HTTP status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    /// Until when the registry asked to be left alone.
    pub fn wait_until(&self) -> Option<Timestamp> {
        match self {
            Self::Throttled { until, .. } => Some(*until),
            _ => None,
        }
    }

    /// Whether the same request may fare better a little later (rule REG-7).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                matches!(refusal.status.as_u16(), 408 | 429 | 500 | 502..=504 | 520..=599)
            }
            Self::Broken { source, .. } => !is_certificate_trouble(source.as_ref()),
            Self::Stalled { .. } => true,
            _ => false,
        }
    }

    pub(super) fn broken(method: &Method, url: &Url, source: impl Into<BoxError>) -> Self {
        Self::Broken {
            method: method.clone(),
            url: shown(url),
            source: source.into(),
        }
    }

    pub(super) fn nonsense(method: &Method, url: &Url, reason: impl Into<String>) -> Self {
        Self::Nonsense {
            method: method.clone(),
            url: shown(url),
            reason: reason.into(),
        }
    }
}

/// A certificate that is refused now is refused in a second, too.
fn is_certificate_trouble(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(rustls::Error::InvalidCertificate(_)) = error.downcast_ref::<rustls::Error>() {
            return true;
        }
        // hyper-rustls wraps rustls' error into one of I/O, whose source() skips it.
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && is_certificate_trouble(inner)
        {
            return true;
        }
        next = error.source();
    }
    false
}

/// An answer that is a refusal: `GET https://…: MANIFEST_UNKNOWN: manifest unknown; map[Tag:stable]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The request's method.
    pub method: Method,
    /// The request's URL, without credentials.
    pub url: String,
    /// The answer's status.
    pub status: StatusCode,
    /// What the registry said, in its own form; empty where it said nothing or something else.
    pub diagnostics: Vec<Diagnostic>,
    /// The body's text where it is not in the registry's form, in one line.
    pub text: String,
}

/// One entry of a registry's `errors`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Diagnostic {
    /// `MANIFEST_UNKNOWN`, `UNAUTHORIZED`, …
    #[serde(default)]
    pub code: String,
    /// Words for people.
    #[serde(default)]
    pub message: String,
    /// Anything.
    #[serde(default)]
    pub detail: Value,
}

impl Refusal {
    pub(super) fn new(method: &Method, url: &Url, status: StatusCode, body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Envelope {
            errors: Vec<Diagnostic>,
        }
        let mut refusal = Self {
            method: method.clone(),
            url: shown(url),
            status,
            diagnostics: Vec::new(),
            text: String::new(),
        };
        match serde_json::from_slice::<Envelope>(body) {
            Ok(envelope) if !envelope.errors.is_empty() => refusal.diagnostics = envelope.errors,
            _ => refusal.text = one_line(&String::from_utf8_lossy(body)),
        }
        refusal
    }

    /// The first code that the registry gave.
    pub fn code(&self) -> Option<&str> {
        self.diagnostics
            .iter()
            .map(|d| d.code.as_str())
            .find(|code| !code.is_empty())
    }
}

impl Error for Refusal {}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.method, self.url)?;
        match self.diagnostics.as_slice() {
            [] => {
                write!(f, "unexpected status code {}", self.status.as_u16())?;
                if let Some(reason) = self.status.canonical_reason() {
                    write!(f, " {reason}")?;
                }
                if self.text.is_empty() {
                    Ok(())
                } else {
                    write!(f, ": {}", self.text)
                }
            }
            [one] => write!(f, "{one}"),
            several => {
                f.write_str("multiple errors returned: ")?;
                for (i, diagnostic) in several.iter().enumerate() {
                    if i > 0 {
                        f.write_str("; ")?;
                    }
                    write!(f, "{diagnostic}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", one_line(&self.code), one_line(&self.message))?;
        if self.detail.is_null() {
            return Ok(());
        }
        write!(f, "; {}", one_line(&GoPrint(&self.detail).to_string()))
    }
}

/// An error and all its sources in one line, joined by `: `; what a source repeats is said once.
pub fn words(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !more.is_empty() && !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

/// A URL as it may be shown: without user and password.
pub(super) fn shown(url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return url.to_string();
    }
    let mut bare = url.clone();
    let _ = bare.set_username("");
    let _ = bare.set_password(None);
    bare.to_string()
}

/// Text from outside in one bounded line without control characters.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let mut blank = false;
    for c in text.trim().chars() {
        if c.is_control() || c.is_whitespace() {
            blank = true;
            continue;
        }
        if std::mem::take(&mut blank) {
            line.push(' ');
        }
        line.push(c);
        if line.len() >= WORDS {
            line.push('…');
            break;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> String {
        let url =
            Url::parse("https://user:pw@registry.example.com/v2/m/echo/release/manifests/stable").unwrap();
        Refusal::new(
            &Method::GET,
            &url,
            StatusCode::from_u16(status).unwrap(),
            body.as_bytes(),
        )
        .to_string()
    }

    #[test]
    fn tells_method_url_and_the_registrys_words() {
        let at = "GET https://registry.example.com/v2/m/echo/release/manifests/stable: ";
        let cases = [
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"stable"}}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown; map[Tag:stable]",
            ),
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":"unknown tag=stable"}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown; unknown tag=stable",
            ),
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#,
                "UNAUTHORIZED: authentication required",
            ),
            (
                400,
                r#"{"errors":[{"code":"A","message":"a"},{"code":"B","message":"b","detail":1}]}"#,
                "multiple errors returned: A: a; B: b; 1",
            ),
            (404, "", "unexpected status code 404 Not Found"),
            (
                404,
                r#"{"errors":[]}"#,
                r#"unexpected status code 404 Not Found: {"errors":[]}"#,
            ),
            (
                502,
                "<html>\r\n<b>Bad\tGateway</b>\u{1b}[31m\n",
                "unexpected status code 502 Bad Gateway: <html> <b>Bad Gateway</b> [31m",
            ),
            (599, "x", "unexpected status code 599: x"),
        ];
        for (status, body, expected) in cases {
            assert_eq!(refusal(status, body), format!("{at}{expected}"));
        }
    }

    #[test]
    fn cuts_long_words() {
        assert!(refusal(500, &"x".repeat(1 << 20)).len() < 2 * WORDS);
    }

    #[test]
    fn joins_an_error_with_its_sources() {
        #[derive(Debug, thiserror::Error)]
        #[error("fetch image error")]
        struct Fetch(#[source] RequestError);
        let url = Url::parse("https://registry.example.com/v2/").unwrap();
        let error = Fetch(RequestError::broken(&Method::GET, &url, "connection reset"));
        assert_eq!(
            words(&error),
            "fetch image error: GET https://registry.example.com/v2/: connection reset"
        );
    }
}
