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
    #[error("{} has a scheme, leave out {}", quoted(.text), quoted(.scheme))]
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
    #[error("{} has a tag, leave out {}", quoted(.text), quoted(.tag))]
    Tag {
        /// What was written.
        text: String,
        /// The tag with its colon.
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
        if let Some(colon) = last.find(':') {
            return Err(Error::Tag {
                text: owned(),
                tag: last[colon..].to_owned(),
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
mod tests;
