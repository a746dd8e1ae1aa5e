//! Formats of names and addresses.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use super::{Lazy, lazy, matches};

pub(super) static HOST_CHARACTERS: Lazy = LazyLock::new(|| lazy(r"^[a-zA-Z0-9\p{S}\p{L}.-]+$"));
pub(super) static EMAIL: Lazy = LazyLock::new(|| {
    // net/mail's addr-spec: a dot-atom or a quoted string, then a dot-atom or a literal; characters beyond ASCII
    // are atoms, too.
    let atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x{80}-\x{10FFFF}-]+";
    let spec = format!(r#"({atom}(\.{atom})*|"([^"\\\r\n]|\\.)*")@({atom}(\.{atom})*|\[[^\]\[\\\s]+\])"#);
    lazy(&format!(
        r#"^\s*(({spec})|((("([^"\\\r\n]|\\.)*"|{atom}|\.)\s*)*<{spec}>))\s*$"#
    ))
});

pub(super) fn is_hostname(s: &str) -> bool {
    if s.len() > 255 || !matches(&HOST_CHARACTERS, s) {
        return false;
    }
    let labels: Vec<&str> = s.split('.').collect();
    match labels.split_last() {
        // A name of one label takes a dash only in second place: so the API server's pattern says.
        Some((only, [])) => {
            let mut rest = only.chars();
            rest.next().is_some_and(|c| c != '-')
                && only.len() <= 63
                && !rest
                    .as_str()
                    .strip_prefix('-')
                    .unwrap_or(rest.as_str())
                    .contains('-')
        }
        Some((last, others)) => {
            others.iter().all(|label| is_host_label(label))
                && is_host_label(last)
                && last.chars().nth(1).is_some()
                && !last.contains("--")
        }
        None => false,
    }
}

fn is_host_label(label: &str) -> bool {
    !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
}

pub(super) fn is_email(s: &str) -> bool {
    matches(&EMAIL, s)
}

/// Leading zeros pass, as in the parser that Kubernetes keeps for old objects; so does a mapped address.
pub(super) fn is_ipv4(s: &str) -> bool {
    s.contains('.') && (sloppy_ipv4(s).is_some() || (s.contains(':') && s.parse::<Ipv6Addr>().is_ok()))
}

fn sloppy_ipv4(s: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = s.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let digits = part.trim_start_matches('0');
        *octet = if digits.is_empty() {
            0
        } else {
            digits.parse().ok()?
        };
    }
    parts.next().is_none().then(|| octets.into())
}

pub(super) fn is_cidr(s: &str) -> bool {
    let Some((address, length)) = s.split_once('/') else {
        return false;
    };
    if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let Ok(length) = length.parse::<u16>() else {
        return false;
    };
    match sloppy_ipv4(address) {
        Some(_) => length <= 32,
        None => address.parse::<Ipv6Addr>().is_ok() && length <= 128,
    }
}

/// EUI-48, EUI-64 or an InfiniBand address, by bytes with `:` or `-`, or by pairs of bytes with `.`.
pub(super) fn is_mac(s: &str) -> bool {
    for (separator, digits, counts) in [(':', 2, [6, 8, 20]), ('-', 2, [6, 8, 20]), ('.', 4, [3, 4, 10])] {
        let parts: Vec<&str> = s.split(separator).collect();
        if counts.contains(&parts.len()) {
            return parts
                .iter()
                .all(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_hexdigit()));
        }
    }
    false
}

/// Go's `url.ParseRequestURI`: an absolute path, or a scheme and what follows it.
pub(super) fn is_request_uri(s: &str) -> bool {
    if s.is_empty() || s.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return false;
    }
    if s == "*" {
        return true;
    }
    let scheme_end = s.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
    let rest = match scheme_end {
        Some(0) if s.starts_with(':') => return false,
        Some(end) if s[end..].starts_with(':') && s.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            &s[end + 1..]
        }
        _ => s,
    };
    if !rest.starts_with('/') {
        // Opaque (`mailto:a@b`) when there is a scheme, relative and so refused when there is none.
        return rest.len() < s.len();
    }
    let path = match rest.strip_prefix("//") {
        Some(after) if rest.len() < s.len() || !rest.starts_with("///") => {
            let end = after.find(['/', '?']).unwrap_or(after.len());
            if !is_authority(&after[..end]) {
                return false;
            }
            &after[end..]
        }
        _ => rest,
    };
    let path = path.split('?').next().unwrap_or_default();
    has_good_escapes(path)
}

fn is_authority(s: &str) -> bool {
    let (user, host) = match s.rsplit_once('@') {
        Some((user, host)) => (user, host),
        None => ("", s),
    };
    let good_user = user
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c));
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => {
                if address
                    .split('%')
                    .next()
                    .is_none_or(|bare| bare.parse::<Ipv6Addr>().is_err())
                {
                    return false;
                }
                ("", port)
            }
            None => return false,
        },
        None => match host.find(':') {
            Some(at) => host.split_at(at),
            None => (host, ""),
        },
    };
    let good_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
    let good_name = name
        .chars()
        .all(|c| !c.is_ascii() || c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=<>\"%".contains(c));
    good_user && good_port && good_name && has_good_escapes(name)
}

fn has_good_escapes(s: &str) -> bool {
    let mut bytes = s.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' && !(0..2).all(|_| bytes.next().is_some_and(|b| b.is_ascii_hexdigit())) {
            return false;
        }
    }
    true
}
