//! `WWW-Authenticate`: how a registry says what it wants to see (RFC 9110, 11.6.1).

use http::HeaderMap;
use http::header::WWW_AUTHENTICATE;

/// More than any registry sends; the rest of a longer list is not read.
const CHALLENGES: usize = 16;

/// One way to be let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Tokens of the distribution token protocol.
    Bearer {
        /// Where tokens are given.
        realm: String,
        /// The audience to ask for.
        service: Option<String>,
        /// The scope that was missing.
        scope: Option<String>,
    },
    /// User and password.
    Basic,
    /// A scheme that this client does not speak, by name.
    Other(String),
}

/// All challenges of an answer, in order. What does not parse ends the header that it stands in.
pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let mut found = Vec::new();
    for value in headers.get_all(WWW_AUTHENTICATE) {
        let text = String::from_utf8_lossy(value.as_bytes());
        Scanner { rest: &text }.read(&mut found);
    }
    found
}

/// How many challenges one header's value holds.
pub(crate) fn count_challenges(value: &[u8]) -> usize {
    let mut found = Vec::new();
    Scanner {
        rest: &String::from_utf8_lossy(value),
    }
    .read(&mut found);
    found.len()
}

struct Scanner<'a> {
    rest: &'a str,
}

impl<'a> Scanner<'a> {
    /// A challenge is a scheme and its parameters; scheme and parameter both begin with a token, but only a parameter
    /// goes on with `=`. A token68 (`Negotiate abc==`) reads as a parameter or as a scheme of its own: harmless.
    fn read(mut self, found: &mut Vec<Challenge>) {
        let mut next = self.start();
        while let Some(scheme) = next.take() {
            let mut parameters = Vec::new();
            while let Some(name) = self.start() {
                self.skip(|c| c == ' ' || c == '\t');
                let Some(rest) = self.rest.strip_prefix('=') else {
                    next = Some(name);
                    break;
                };
                self.rest = rest;
                self.skip(|c| c == ' ' || c == '\t' || c == '=');
                let Some(value) = self.value() else { break };
                parameters.push((name, value));
            }
            found.push(challenge(scheme, &parameters));
            if found.len() >= CHALLENGES {
                return;
            }
        }
    }

    /// The token that begins a challenge or a parameter.
    fn start(&mut self) -> Option<&'a str> {
        self.skip(|c| c == ',' || c.is_ascii_whitespace());
        self.token()
    }

    fn skip(&mut self, unwanted: impl Fn(char) -> bool) {
        self.rest = self.rest.trim_start_matches(unwanted);
    }

    fn token(&mut self) -> Option<&'a str> {
        let end = self.rest.find(|c: char| !is_token(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!token.is_empty()).then_some(token)
    }

    fn value(&mut self) -> Option<String> {
        let Some(quoted) = self.rest.strip_prefix('"') else {
            // Beyond the grammar: unquoted URLs are sent by some.
            let end = self.rest.find([',', ' ', '\t']).unwrap_or(self.rest.len());
            let (value, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Some(value.to_owned());
        };
        let mut value = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, c)) = characters.next() {
            match c {
                '"' => {
                    self.rest = &quoted[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                c => value.push(c),
            }
        }
        self.rest = "";
        None
    }
}

fn challenge(scheme: &str, parameters: &[(&str, String)]) -> Challenge {
    let parameter = |wanted: &str| {
        parameters
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(wanted))
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    if scheme.eq_ignore_ascii_case("basic") {
        return Challenge::Basic;
    }
    match parameter("realm") {
        Some(realm) if scheme.eq_ignore_ascii_case("bearer") => Challenge::Bearer {
            realm,
            service: parameter("service"),
            scope: parameter("scope"),
        },
        _ => Challenge::Other(scheme.to_owned()),
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(lines: &[&str]) -> Vec<Challenge> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_str(line).unwrap());
        }
        challenges(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.into(),
            service: service.map(Into::into),
            scope: scope.map(Into::into),
        }
    }

    #[test]
    fn reads_what_registries_send() {
        let full = bearer(
            "https://a.example.com/token",
            Some("registry"),
            Some("repository:m/echo:pull"),
        );
        let cases: &[(&[&str], Vec<Challenge>)] = &[
            (
                &[
                    r#"Bearer realm="https://a.example.com/token",service="registry",scope="repository:m/echo:pull""#,
                ],
                vec![full.clone()],
            ),
            (
                &[
                    r#"bearer  realm = "https://a.example.com/token" , SERVICE=registry, scope="repository:m/echo:pull",error="insufficient_scope""#,
                ],
                vec![full.clone()],
            ),
            (&[r#"Basic realm="Registry Realm""#], vec![Challenge::Basic]),
            (&["Basic"], vec![Challenge::Basic]),
            (
                &[r#"Basic realm="x", Bearer realm="https://a""#],
                vec![Challenge::Basic, bearer("https://a", None, None)],
            ),
            (
                &[r#"Negotiate, Bearer realm="https://a", Basic realm=x"#],
                vec![
                    Challenge::Other("Negotiate".into()),
                    bearer("https://a", None, None),
                    Challenge::Basic,
                ],
            ),
            (
                &["Basic realm=x", r#"Bearer realm="https://a""#],
                vec![Challenge::Basic, bearer("https://a", None, None)],
            ),
            (
                &[r#"Bearer realm="a\"b\\c""#],
                vec![bearer("a\"b\\c", None, None)],
            ),
            (
                &["Bearer realm=https://a/token,service=s"],
                vec![bearer("https://a/token", Some("s"), None)],
            ),
            (&["Bearer service=s"], vec![Challenge::Other("Bearer".into())]),
            (&[r"Bearer realm="], vec![Challenge::Other("Bearer".into())]),
            (
                &[r#"Bearer realm="unclosed"#],
                vec![Challenge::Other("Bearer".into())],
            ),
            (&[""], vec![]),
            (&[", ,"], vec![]),
            (&["\"x\""], vec![]),
        ];
        for (lines, expected) in cases {
            assert_eq!(read(lines), *expected, "{lines:?}");
        }
    }

    #[test]
    fn stops_after_a_bounded_number() {
        assert!(read(&[&"Basic,".repeat(4000)]).len() <= CHALLENGES);
    }

    proptest! {
        #[test]
        fn survives_any_header(line in "[ -~]{0,200}") {
            let _ = read(&[&line]);
        }

        #[test]
        fn reads_back_what_was_quoted(realm in "[ -~]{1,40}", service in "[a-z.:]{1,20}") {
            let quoted = realm.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("Bearer realm=\"{quoted}\",service=\"{service}\"");
            prop_assert_eq!(read(&[&line]), vec![bearer(&realm, Some(&service), None)]);
        }
    }
}
