//! Where a source's modules lie: `host[:port]/path` (rule MS-1).

use std::fmt;
use std::str::FromStr;

use super::host::{canonical_host, is_docker_hub};
use super::quoted::quoted;

/// Most characters in a path, by distribution's reference grammar.
const MAX_PATH_LENGTH: usize = 255;

/// A repository by distribution's reference grammar, with a host, and without tag and digest. Prints as written.
///
/// What counts as a host is docker's rule: it has a dot, a port, brackets or an upper-case letter, or is `localhost`;
/// docker would look for anything else on Docker Hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    text: String,
    /// Where the host ends and the path's `/` stands.
    slash: usize,
}

/// Why a text is no [`Repository`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseRepositoryError {
    /// Nothing was written.
    #[error("an empty repository, write one such as \"registry.example.com/modules\"")]
    Empty,
    /// There is a user, and perhaps a password, in front of the host. The text is not repeated.
    #[error(
        "a repository with credentials in it, leave out everything up to '@' and write them into dockerCfg"
    )]
    Credentials,
    /// It begins with `https://` or the like.
    #[error("{} has a scheme, leave out \"{scheme}\"", quoted(.text))]
    Scheme {
        /// What was written.
        text: String,
        /// The scheme with its `://`.
        scheme: String,
    },
    /// It ends with `@<digest>`.
    #[error("{} has a digest, leave out everything from '@' on", quoted(.0))]
    Digest(String),
    /// It ends with `:<tag>`.
    #[error("{} has a tag, leave out \":{tag}\"", quoted(.text))]
    Tag {
        /// What was written.
        text: String,
        /// The tag without its colon.
        tag: String,
    },
    /// It ends with a slash.
    #[error("{} ends with a slash, leave it out", quoted(.0))]
    TrailingSlash(String),
    /// There is only a host.
    #[error("{} has no path, write one behind the host, such as \"registry.example.com/modules\"", quoted(.0))]
    NoPath(String),
    /// What stands before the first slash is no host to docker.
    #[error("{} has no registry host, write it in front, such as \"registry.example.com/modules\"", quoted(.0))]
    NoHost(String),
    /// The host is no DNS name, IPv4 address or IPv6 address in brackets.
    #[error("{} has a malformed host {}, write a DNS name or an address", quoted(.text), quoted(.host))]
    Host {
        /// What was written.
        text: String,
        /// Its host.
        host: String,
    },
    /// The port is no number from 1 to 65535.
    #[error("{} has a malformed port {}, write a number from 1 to 65535", quoted(.text), quoted(.port))]
    Port {
        /// What was written.
        text: String,
        /// What stands where the port should.
        port: String,
    },
    /// The path has upper-case letters.
    #[error("{} has upper-case letters in its path, write {}", quoted(.text), quoted(.meant))]
    UpperCase {
        /// What was written.
        text: String,
        /// The same with a lower-case path.
        meant: String,
    },
    /// A part of the path has another form.
    #[error(
        "{} has a malformed path component {}, write lower-case letters and digits, joined by '-', '.', '_' or '__'",
        quoted(.text),
        quoted(.component)
    )]
    Component {
        /// What was written.
        text: String,
        /// The first component that is wrong.
        component: String,
    },
    /// The path has more than 255 characters.
    #[error("{} has too long a path, write at most {MAX_PATH_LENGTH} characters", quoted(.0))]
    TooLong(String),
}

impl Repository {
    /// Reads a repository; see the type for its form.
    pub fn parse(text: &str) -> Result<Self, ParseRepositoryError> {
        use ParseRepositoryError as Error;
        let owned = || text.to_owned();
        if text.is_empty() {
            return Err(Error::Empty);
        }
        let scheme = text.find("://").map_or(0, |place| place + 3);
        // Only what follows a '/' can be a digest.
        let authority = text[scheme..].split('/').next().unwrap_or_default();
        if authority.contains('@') && !authority.contains("@sha") {
            return Err(Error::Credentials);
        }
        if let Some(end) = text.find("://") {
            return Err(Error::Scheme {
                text: owned(),
                scheme: text[..end + 3].to_owned(),
            });
        }
        if text.contains('@') {
            return Err(Error::Digest(owned()));
        }
        if text.ends_with('/') {
            return Err(Error::TrailingSlash(owned()));
        }
        let Some((host, path)) = text.split_once('/') else {
            return Err(Error::NoPath(owned()));
        };
        check_host(text, host)?;
        let last = path.rsplit('/').next().unwrap_or(path);
        if let Some((_, tag)) = last.split_once(':') {
            return Err(Error::Tag {
                text: owned(),
                tag: tag.to_owned(),
            });
        }
        let lower = path.to_ascii_lowercase();
        if let Some(component) = lower.split('/').find(|component| !is_path_component(component)) {
            return Err(Error::Component {
                text: owned(),
                component: component.to_owned(),
            });
        }
        if lower != path {
            return Err(Error::UpperCase {
                text: owned(),
                meant: format!("{host}/{lower}"),
            });
        }
        if path.len() > MAX_PATH_LENGTH {
            return Err(Error::TooLong(owned()));
        }
        Ok(Self {
            text: owned(),
            slash: host.len(),
        })
    }

    /// The host as written, with its port if it has one.
    pub fn host(&self) -> &str {
        &self.text[..self.slash]
    }

    /// The path, without a slash at either end.
    pub fn path(&self) -> &str {
        &self.text[self.slash + 1..]
    }

    /// The whole as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// One spelling for all that mean the same repository (rule MS-4): the host in lower case, Docker Hub under one
    /// name, where a path of one component lies in `library`.
    pub fn normalised(&self) -> String {
        let host = canonical_host(self.host());
        let folder = if is_docker_hub(&host) && !self.path().contains('/') {
            "library/"
        } else {
            ""
        };
        format!("{host}/{folder}{}", self.path())
    }
}

fn check_host(text: &str, host: &str) -> Result<(), ParseRepositoryError> {
    // The colons of an IPv6 address stand in its brackets.
    let address_end = host.rfind(']').unwrap_or(0);
    let colon = host[address_end..]
        .find(':')
        .map_or(host.len(), |place| address_end + place);
    let (name, port) = host.split_at(colon);
    if port.is_empty()
        && name != "localhost"
        && !name.contains(|c: char| matches!(c, '.' | '[') || c.is_ascii_uppercase())
    {
        return Err(ParseRepositoryError::NoHost(text.to_owned()));
    }
    let ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let sound = match ipv6 {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => name.split('.').all(is_domain_component),
    };
    if !sound {
        return Err(ParseRepositoryError::Host {
            text: text.to_owned(),
            host: name.to_owned(),
        });
    }
    match port.strip_prefix(':') {
        Some(digits) if !is_port(digits) => Err(ParseRepositoryError::Port {
            text: text.to_owned(),
            port: digits.to_owned(),
        }),
        _ => Ok(()),
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_domain_component(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*`
fn is_path_component(text: &str) -> bool {
    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    // What stands between two words is one separator; at the ends, nothing does.
    let separator = |between: &str| matches!(between, "." | "_" | "__") || between.bytes().all(|b| b == b'-');
    text.starts_with(word) && text.ends_with(word) && text.split(word).all(separator)
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Repository {
    type Err = ParseRepositoryError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_host_and_path() {
        for (text, host, path) in [
            ("registry.example.com/modules", "registry.example.com", "modules"),
            (
                "registry.example.com:5000/a/b-c/d__e.f",
                "registry.example.com:5000",
                "a/b-c/d__e.f",
            ),
            ("REGISTRY.Example.com/modules", "REGISTRY.Example.com", "modules"),
            ("localhost/modules", "localhost", "modules"),
            ("registry:5000/modules", "registry:5000", "modules"),
            ("127.0.0.1:5000/modules", "127.0.0.1:5000", "modules"),
            ("[::1]/modules", "[::1]", "modules"),
            ("[2001:db8::1]:5000/modules", "[2001:db8::1]:5000", "modules"),
            ("registry.example.com/a---b", "registry.example.com", "a---b"),
        ] {
            let repository = Repository::parse(text).unwrap();
            assert_eq!((repository.host(), repository.path()), (host, path));
            assert_eq!(repository.to_string(), text);
        }
    }

    #[test]
    fn tells_each_mistake_by_its_name() {
        for (text, message) in [
            (
                "",
                r#"an empty repository, write one such as "registry.example.com/modules""#,
            ),
            (
                "https://r.example/m",
                r#""https://r.example/m" has a scheme, leave out "https://""#,
            ),
            ("r.example/m:v1", r#""r.example/m:v1" has a tag, leave out ":v1""#),
            (
                "r.example/m@sha256:0",
                r#""r.example/m@sha256:0" has a digest, leave out everything from '@' on"#,
            ),
            (
                "r.example/m/",
                r#""r.example/m/" ends with a slash, leave it out"#,
            ),
            (
                "r.example/M/n",
                r#""r.example/M/n" has upper-case letters in its path, write "r.example/m/n""#,
            ),
            (
                "r.example:5000",
                r#""r.example:5000" has no path, write one behind the host, such as "registry.example.com/modules""#,
            ),
            (
                "deckhouse/modules",
                r#""deckhouse/modules" has no registry host, write it in front, such as "registry.example.com/modules""#,
            ),
            (
                "r_x.example/m",
                r#""r_x.example/m" has a malformed host "r_x.example", write a DNS name or an address"#,
            ),
            (
                "r.example:x/m",
                r#""r.example:x/m" has a malformed port "x", write a number from 1 to 65535"#,
            ),
        ] {
            assert_eq!(Repository::parse(text).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn never_repeats_a_password() {
        for text in [
            "https://me:secret@r.example/m",
            "me:secret@r.example/m",
            "secret@r.example",
        ] {
            assert_eq!(Repository::parse(text), Err(ParseRepositoryError::Credentials));
        }
    }

    #[test]
    fn rejects_malformed_components_hosts_and_ports() {
        for text in [
            "r.example/a//b",
            "r.example/-a",
            "r.example/a_",
            "r.example/a..b",
            "r.example/a___b",
            "r.example/a._b",
            "r.example/ä",
            "r.example/a b",
            "r.example/a:b/c",
            "r.example//a",
        ] {
            assert!(
                matches!(
                    Repository::parse(text),
                    Err(ParseRepositoryError::Component { .. })
                ),
                "{text}"
            );
        }
        for text in [
            "-r.example/m",
            "r..example/m",
            ".example/m",
            "r.example./m",
            "[::1/m",
            "[zz]/m",
            "[::1]x/m",
            "x[::1]/m",
            " r.example/m",
        ] {
            assert!(
                matches!(Repository::parse(text), Err(ParseRepositoryError::Host { .. })),
                "{text}"
            );
        }
        for text in [
            "r.example:/m",
            "r.example:0/m",
            "r.example:65536/m",
            "r.example:+1/m",
            "r.example:1:2/m",
            "[::1]:x/m",
        ] {
            assert!(
                matches!(Repository::parse(text), Err(ParseRepositoryError::Port { .. })),
                "{text}"
            );
        }
        let long = format!("r.example/{}", "a".repeat(256));
        assert_eq!(
            Repository::parse(&long),
            Err(ParseRepositoryError::TooLong(long.clone()))
        );
    }

    #[test]
    fn normalises_hosts_and_docker_hub() {
        for (one, other) in [
            ("R.Example/m", "r.example/m"),
            ("docker.io/me/m", "index.docker.io/me/m"),
            ("docker.io/m", "registry-1.docker.io/library/m"),
        ] {
            let normalised = |text| Repository::parse(text).unwrap().normalised();
            assert_eq!(normalised(one), normalised(other));
        }
        let with_port = Repository::parse("r.example:443/m").unwrap();
        assert_eq!(with_port.normalised(), "r.example:443/m");
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*|[a-zA-Z0-9./:@_\\[\\]-]{0,40}") {
            if let Ok(repository) = Repository::parse(&text) {
                let normalised = repository.normalised();
                prop_assert!(normalised.ends_with(repository.path()) && normalised == normalised.to_lowercase());
                // A host that only its upper case made one is none any more.
                if let Ok(again) = Repository::parse(&normalised) {
                    prop_assert_eq!(again.normalised(), normalised);
                }
                prop_assert_eq!(format!("{}/{}", repository.host(), repository.path()), text);
            }
        }

        #[test]
        fn reads_a_component_as_the_grammar_does(component in "[a-z0-9._-]{1,8}") {
            let form = regex::Regex::new(r"^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$").unwrap();
            let read = Repository::parse(&format!("r.example/{component}"));
            prop_assert_eq!(read.is_ok(), form.is_match(&component));
        }
    }
}
