//! Being let in: basic, and the distribution token protocol with tokens cached per scope (rule REG-4).

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::budget::lock;
use super::call::{Call, Payload};
use super::challenge::Challenge;
use super::client::Client;
use super::endpoint::{Credentials, Scheme};
use super::error::RequestError;

/// A token server's answer; real ones are a few KB.
const ANSWER: usize = 256 * 1024;
/// The lifetime of a token whose answer names none, as the token protocol says.
const LIFETIME: u64 = 60;
/// Tokens are forgotten beyond this number; one per module and more would be a leak.
const TOKENS: usize = 8192;
/// Said to token servers that ask who is asking.
const CLIENT_ID: &str = "hatchway";

/// What a request wants to do, in the words of the token protocol: `repository:<name>:pull`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Scope(String);

impl Scope {
    pub(super) fn pull(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull"))
    }

    pub(super) fn push(repository: &str) -> Self {
        Self(format!("repository:{repository}:pull,push"))
    }
}

/// Knows how one registry wants to be asked, and what it gave.
#[derive(Default)]
pub(super) struct Authorizer {
    learned: Mutex<Learned>,
    tokens: Mutex<HashMap<Scope, Slot>>,
}

/// One at a time fetches the token of a scope, the others wait for it.
type Slot = Arc<tokio::sync::Mutex<Option<Token>>>;

#[derive(Debug, Clone, Default)]
enum Learned {
    /// Not asked for anything so far.
    #[default]
    Nothing,
    Basic,
    Bearer(Realm),
}

#[derive(Debug, Clone)]
struct Realm {
    url: Url,
    service: Option<String>,
}

struct Token {
    header: HeaderValue,
    renew_at: Instant,
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer")
            .field("learned", &self.learned)
            .finish_non_exhaustive()
    }
}

impl Authorizer {
    /// The header to send before being asked, by what was learned from earlier challenges.
    pub(super) async fn header(
        &self,
        client: &Client,
        scope: &Scope,
    ) -> Result<Option<HeaderValue>, RequestError> {
        let learned = lock(&self.learned).clone();
        match learned {
            Learned::Nothing => Ok(None),
            Learned::Basic => Ok(basic(client.credentials())),
            Learned::Bearer(realm) => self.token(client, scope, &realm, &scope.0, None).await.map(Some),
        }
    }

    /// The header that answers a 401, or none when nothing would help. `refused` is what was sent with it.
    pub(super) async fn answer(
        &self,
        client: &Client,
        scope: &Scope,
        challenges: Vec<Challenge>,
        refused: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, RequestError> {
        let wants_basic = challenges.contains(&Challenge::Basic);
        for challenge in challenges {
            let Challenge::Bearer {
                realm,
                service,
                scope: asked,
            } = challenge
            else {
                continue;
            };
            let Ok(url) = client.base()?.join(&realm) else {
                continue;
            };
            let realm = Realm {
                url: Self::checked(client, url)?,
                service,
            };
            *lock(&self.learned) = Learned::Bearer(realm.clone());
            let asked = asked.unwrap_or_else(|| scope.0.clone());
            return self.token(client, scope, &realm, &asked, refused).await.map(Some);
        }
        let header = if wants_basic {
            basic(client.credentials())
        } else {
            None
        };
        if header.is_some() && header.as_ref() != refused {
            *lock(&self.learned) = Learned::Basic;
            return Ok(header);
        }
        Ok(None)
    }

    /// Passwords and tokens do not travel in the clear where the registry is reached over TLS.
    fn checked(client: &Client, mut realm: Url) -> Result<Url, RequestError> {
        let (secure, fits) = (
            client.scheme() == Scheme::Https,
            matches!(realm.scheme(), "https" | "http"),
        );
        if !fits || (secure && realm.scheme() != "https") {
            let host = client.host().to_owned();
            return Err(RequestError::InsecureRealm {
                host,
                realm: super::error::shown(&realm),
            });
        }
        let _ = (realm.set_username(""), realm.set_password(None));
        Ok(realm)
    }

    /// The cached token of a scope while it lives and was not refused, else a new one.
    async fn token(
        &self,
        client: &Client,
        scope: &Scope,
        realm: &Realm,
        asked: &str,
        refused: Option<&HeaderValue>,
    ) -> Result<HeaderValue, RequestError> {
        let slot = self.slot(scope);
        let mut slot = slot.lock().await;
        if let Some(token) = slot.as_ref()
            && Instant::now() < token.renew_at
            && Some(&token.header) != refused
        {
            return Ok(token.header.clone());
        }
        *slot = None;
        let token = fetch(client, realm, asked).await?;
        let header = token.header.clone();
        *slot = Some(token);
        Ok(header)
    }

    fn slot(&self, scope: &Scope) -> Slot {
        let mut tokens = lock(&self.tokens);
        if tokens.len() >= TOKENS {
            let now = Instant::now();
            tokens.retain(|_, slot| {
                slot.try_lock().map_or(true, |token| {
                    token.as_ref().is_some_and(|token| now < token.renew_at)
                })
            });
        }
        Arc::clone(tokens.entry(scope.clone()).or_default())
    }
}

/// Asks a realm for a token: with an identity token by OAuth 2's refresh_token grant, else by GET.
async fn fetch(client: &Client, realm: &Realm, scope: &str) -> Result<Token, RequestError> {
    let asked_at = Instant::now();
    let call = match client.credentials() {
        Some(Credentials::IdentityToken(identity)) => {
            let mut form = url::form_urlencoded::Serializer::new(String::new());
            form.append_pair("grant_type", "refresh_token");
            form.append_pair("service", realm.service.as_deref().unwrap_or_default());
            form.append_pair("client_id", CLIENT_ID);
            form.append_pair("scope", scope);
            form.append_pair("refresh_token", identity.reveal());
            let mut headers = HeaderMap::new();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/x-www-form-urlencoded"),
            );
            Call::new(Method::POST, realm.url.clone())
                .with_headers(headers)
                .with_payload(Payload::Bytes(Bytes::from(form.finish())))
        }
        credentials => {
            let mut url = realm.url.clone();
            {
                let mut query = url.query_pairs_mut();
                if let Some(service) = &realm.service {
                    query.append_pair("service", service);
                }
                for part in scope.split(' ').filter(|part| !part.is_empty()) {
                    query.append_pair("scope", part);
                }
            }
            let mut headers = HeaderMap::new();
            if let Some(header) = basic(credentials) {
                headers.insert(AUTHORIZATION, header);
            }
            Call::new(Method::GET, url).with_headers(headers)
        }
    };
    let call = call.whole(ANSWER);
    let answer = client.send_as_it_is(&call).await?;
    read_token(answer.whole(), asked_at)
        .map_err(|reason| RequestError::nonsense(&call.method, &realm.url, reason))
}

fn read_token(body: &[u8], asked_at: Instant) -> Result<Token, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<serde_json::Number>,
    }
    let answer: Answer = serde_json::from_slice(body).map_err(|_| "the answer holds no token")?;
    let token = answer
        .token
        .filter(|token| !token.is_empty())
        .or(answer.access_token)
        .unwrap_or_default();
    if token.is_empty() {
        return Err("the answer holds no token");
    }
    let mut header = HeaderValue::try_from(format!("Bearer {token}"))
        .map_err(|_| "the token holds characters that no header may")?;
    header.set_sensitive(true);
    let lifetime = answer.expires_in.as_ref().and_then(lifetime).unwrap_or(LIFETIME);
    Ok(Token {
        header,
        renew_at: asked_at + renew_after(lifetime),
    })
}

/// Whole seconds; some servers send them as a float.
fn lifetime(number: &serde_json::Number) -> Option<u64> {
    let seconds = number.as_u64().or_else(|| {
        let float = number.as_f64()?.clamp(0.0, 1e9);
        Some(Duration::try_from_secs_f64(float).ok()?.as_secs())
    })?;
    (seconds > 0).then_some(seconds.min(24 * 3600))
}

/// Renewed before its end: a fifth of its life earlier, at most half a minute. A life counts from the question, not
/// from the answer's clock.
fn renew_after(lifetime: u64) -> Duration {
    let lifetime = Duration::from_secs(lifetime);
    lifetime.saturating_sub((lifetime / 5).min(Duration::from_secs(30)))
}

fn basic(credentials: Option<&Credentials>) -> Option<HeaderValue> {
    let Some(Credentials::Basic { user, password }) = credentials else {
        return None;
    };
    let pair = STANDARD.encode(format!("{user}:{}", password.reveal()));
    let mut header = HeaderValue::try_from(format!("Basic {pair}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn life(body: &str) -> Result<u64, &'static str> {
        let now = Instant::now();
        read_token(body.as_bytes(), now).map(|token| (token.renew_at - now).as_secs())
    }

    #[test]
    fn keeps_a_token_for_most_of_its_life() {
        let cases = [
            (r#"{"token":"a","expires_in":300}"#, Ok(270)),
            (r#"{"access_token":"a","expires_in":300.0}"#, Ok(270)),
            (r#"{"token":"","access_token":"a"}"#, Ok(48)),
            (r#"{"token":"a","expires_in":0}"#, Ok(48)),
            (r#"{"token":"a","expires_in":-5}"#, Ok(48)),
            (
                r#"{"token":"a","expires_in":10,"issued_at":"1970-01-01T00:00:00Z"}"#,
                Ok(8),
            ),
            (r#"{"token":"a","expires_in":1e300}"#, Ok(24 * 3600 - 30)),
            (r"{}", Err("the answer holds no token")),
            (r#"{"token":null}"#, Err("the answer holds no token")),
            ("<html>", Err("the answer holds no token")),
            (
                r#"{"token":"a\nb"}"#,
                Err("the token holds characters that no header may"),
            ),
        ];
        for (body, expected) in cases {
            assert_eq!(life(body), expected, "{body}");
        }
    }
}
