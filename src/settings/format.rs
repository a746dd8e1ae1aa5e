//! `format`: the API server's set, judged as the API server judges it (rule MC-7).
//!
//! What a format means is what kube-openapi's registry takes it for, which is laxer in places than the RFC of
//! the same name (`uuid` without dashes, `duration` in words). An unknown format means nothing.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use super::pattern;

/// A format that is checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Format {
    /// A string of this shape.
    Text(fn(&str) -> bool),
    /// An integer that fits into 32 bits.
    Int32,
    /// An integer that fits into 64 bits.
    Int64,
    /// A number that fits a single-precision float.
    Float,
}

impl Format {
    /// The format by its name, under the `type` it stands beside; dashes in names do not count.
    pub(super) fn named(name: &str, types: &[String]) -> Option<Self> {
        match types {
            [one] if one == "integer" => match name {
                "int32" => Some(Self::Int32),
                "int64" => Some(Self::Int64),
                _ => None,
            },
            [one] if one == "number" => (name == "float").then_some(Self::Float),
            [] => text(name),
            [one] if one == "string" => text(name),
            _ => None,
        }
    }

    /// Whether the value fits. Values of another type than the format's own fit: `type` judges them.
    #[allow(
        clippy::cast_possible_truncation,
        reason = "the loss is what is being looked for"
    )]
    pub(super) fn fits(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(check), Value::String(text)) => check(text),
            (Self::Int32, Value::Number(number)) => match number.as_i64() {
                Some(integer) => i32::try_from(integer).is_ok(),
                None => number
                    .as_f64()
                    .is_some_and(|float| float.abs() <= f64::from(i32::MAX)),
            },
            (Self::Int64, Value::Number(number)) => {
                number.as_i64().is_some() || number.as_f64().is_some_and(|float| float.abs() < 9.3e18)
            }
            (Self::Float, Value::Number(number)) => {
                number.as_f64().is_none_or(|float| (float as f32).is_finite())
            }
            _ => true,
        }
    }
}

fn text(name: &str) -> Option<Format> {
    Some(Format::Text(match name.replace('-', "").as_str() {
        "bsonobjectid" => |s| s.len() == 24 && s.bytes().all(|b| b.is_ascii_hexdigit()),
        "uri" => is_request_uri,
        "email" => is_email,
        "hostname" => is_hostname,
        "ipv4" => is_ipv4,
        "ipv6" => |s| s.contains(':') && s.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_cidr,
        "mac" => is_mac,
        "uuid" => |s| is_uuid(s, None, false),
        "uuid3" => |s| is_uuid(s, Some('3'), false),
        "uuid4" => |s| is_uuid(s, Some('4'), true),
        "uuid5" => |s| is_uuid(s, Some('5'), true),
        "isbn" => |s| is_isbn10(s) || is_isbn13(s),
        "isbn10" => is_isbn10,
        "isbn13" => is_isbn13,
        "creditcard" => is_credit_card,
        "ssn" => |s| matches(&SSN, s),
        "hexcolor" => |s| {
            let digits = s.strip_prefix('#').unwrap_or(s);
            matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        },
        "rgbcolor" => |s| matches(&RGB, s),
        "byte" => is_base64,
        "date" => is_date,
        "duration" => is_duration,
        "datetime" => is_date_time,
        "k8sshortname" => |s| is_label(s),
        "k8slongname" => |s| s.len() <= 253 && !s.is_empty() && s.split('.').all(is_long_segment),
        _ => return None,
    }))
}

type Lazy = LazyLock<Option<Regex>>;

/// These are constants: that they compile is held by a test.
fn lazy(text: &str) -> Option<Regex> {
    pattern::compile(text).ok()
}

fn matches(regex: &Lazy, text: &str) -> bool {
    regex
        .as_ref()
        .is_some_and(|regex| regex.is_match(text.as_bytes()))
}

static SSN: Lazy = LazyLock::new(|| lazy(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"));
static RGB: Lazy = LazyLock::new(|| {
    lazy(concat!(
        r"^rgb\(\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])",
        r"\s*,\s*(0|[1-9]\d?|1\d\d?|2[0-4]\d|25[0-5])\s*\)$"
    ))
});
static HOST_CHARACTERS: Lazy = LazyLock::new(|| lazy(r"^[a-zA-Z0-9\p{S}\p{L}.-]+$"));
static TIME_OF_DAY: Lazy =
    LazyLock::new(|| lazy(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$"));
static GO_DURATION: Lazy = LazyLock::new(|| lazy(r"^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$"));
// The last word of each unit is a stem (`secs`, `seconds`); `Atoi` reads the count, which 18 digits always fit.
static WORDY_DURATION: Lazy = LazyLock::new(|| {
    lazy(
        r"(?i)\d{1,18}\s*(ns|nano[a-zµ]*|us|µs|micro[a-zµ]*|ms|milli[a-zµ]*|s|sec[a-zµ]*|m|min[a-zµ]*|h|hr|hour[a-zµ]*|d|day[a-zµ]*|w|wk|week[a-zµ]*)([^a-zµ]|$)",
    )
});
static EMAIL: Lazy = LazyLock::new(|| {
    // net/mail's addr-spec: a dot-atom or a quoted string, then a dot-atom or a literal; characters beyond ASCII
    // are atoms, too.
    let atom = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x{80}-\x{10FFFF}-]+";
    let spec = format!(r#"({atom}(\.{atom})*|"([^"\\\r\n]|\\.)*")@({atom}(\.{atom})*|\[[^\]\[\\\s]+\])"#);
    lazy(&format!(
        r#"^\s*(({spec})|((("([^"\\\r\n]|\\.)*"|{atom}|\.)\s*)*<{spec}>))\s*$"#
    ))
});

fn is_hostname(s: &str) -> bool {
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

fn is_email(s: &str) -> bool {
    matches(&EMAIL, s)
}

fn is_label(s: &str) -> bool {
    s.len() <= 63 && is_long_segment(s)
}

fn is_long_segment(s: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    !s.is_empty()
        && s.bytes().all(|b| inner(b) || b == b'-')
        && s.bytes().next().is_some_and(inner)
        && s.bytes().last().is_some_and(inner)
}

/// Leading zeros pass, as in the parser that Kubernetes keeps for old objects; so does a mapped address.
fn is_ipv4(s: &str) -> bool {
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

fn is_cidr(s: &str) -> bool {
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
fn is_mac(s: &str) -> bool {
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

/// Each dash may be missing; `version` is the 13th digit, `variant` asks for 8, 9, a or b as the 17th.
fn is_uuid(s: &str, version: Option<char>, variant: bool) -> bool {
    let mut digits = Vec::with_capacity(32);
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '-' {
            if !matches!(digits.len(), 8 | 12 | 16 | 20) || chars.peek() == Some(&'-') {
                return false;
            }
        } else if c.is_ascii_hexdigit() {
            digits.push(c.to_ascii_lowercase());
        } else {
            return false;
        }
    }
    digits.len() == 32
        && version.is_none_or(|version| digits.get(12) == Some(&version))
        && (!variant || matches!(digits.get(16), Some('8' | '9' | 'a' | 'b')))
}

fn isbn_digits(s: &str) -> Vec<char> {
    s.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

fn is_isbn10(s: &str) -> bool {
    let digits = isbn_digits(s);
    let mut sum = 0;
    for (weight, (at, c)) in (1..).zip(digits.iter().enumerate()) {
        let value = match c.to_digit(10) {
            Some(digit) => digit,
            None if *c == 'X' && at == 9 => 10,
            None => return false,
        };
        sum += weight * value;
    }
    digits.len() == 10 && sum % 11 == 0
}

fn is_isbn13(s: &str) -> bool {
    let digits = isbn_digits(s);
    let mut sum = 0;
    for (at, c) in digits.iter().enumerate() {
        let Some(digit) = c.to_digit(10) else { return false };
        sum += digit * if at % 2 == 0 { 1 } else { 3 };
    }
    digits.len() == 13 && sum % 10 == 0
}

static CARD: Lazy = LazyLock::new(|| {
    lazy(concat!(
        r"^(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9][0-9])[0-9]{12}|3[47][0-9]{13}",
        r"|3(?:0[0-5]|[68][0-9])[0-9]{11}|(?:2131|1800|35\d{3})\d{11})$"
    ))
});

fn is_credit_card(s: &str) -> bool {
    let digits: String = s.chars().filter(char::is_ascii_digit).collect();
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(|(at, digit)| {
            if at % 2 == 0 {
                digit
            } else {
                digit * 2 % 10 + digit * 2 / 10
            }
        })
        .sum();
    matches(&CARD, &digits) && sum.is_multiple_of(10)
}

fn is_base64(s: &str) -> bool {
    let data = s.strip_suffix("==").or_else(|| s.strip_suffix('=')).unwrap_or(s);
    !s.is_empty()
        && s.len().is_multiple_of(4)
        && data
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}

fn is_date(s: &str) -> bool {
    // Exactly `2006-01-02`; jiff alone would take more.
    s.len() == 10 && s.as_bytes()[4] == b'-' && s.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(s: &str) -> bool {
    let lower = s.to_ascii_lowercase();
    let Some((date, time)) = lower.split_once('t') else {
        return false;
    };
    let within = |range: std::ops::Range<usize>, max: &str| time.get(range).is_some_and(|part| part <= max);
    is_date(date)
        && matches(&TIME_OF_DAY, time)
        && within(0..2, "23")
        && within(3..5, "59")
        && within(6..8, "59")
}

fn is_duration(s: &str) -> bool {
    matches(&GO_DURATION, s) || matches(&WORDY_DURATION, s)
}

/// Go's `url.ParseRequestURI`: an absolute path, or a scheme and what follows it.
fn is_request_uri(s: &str) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn judges_the_formats_of_the_api_server() {
        let table = [
            (
                "bson-object-id",
                "507f1f77bcf86cd799439011",
                "507f1f77bcf86cd79943901",
            ),
            ("uri", "https://a.example.com:8080/x?y#z", "a.example.com/x"),
            ("uri", "/only/a/path", "https://bad host/"),
            ("uri", "mailto:someone@example.com", "http://[::1/"),
            ("email", "a.b+c@example.com", "a.example.com"),
            ("email", "Somebody <a@b.example.com>", "a@@b"),
            ("hostname", "a-b.example.com", "-a.example.com"),
            ("hostname", "localhost", "a_b"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv4", "010.0.0.1", "10.0.0.256"),
            ("ipv6", "fe80::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("cidr", "fd00::/8", "10.0.0.0"),
            ("mac", "00:00:5e:00:53:01", "00:00:5e:00:53"),
            ("mac", "0000.5e00.5301", "0000-5e00-5301"),
            (
                "uuid",
                "123E4567-e89b-12d3-a456-426614174000",
                "123E4567-e89b-12d3-a456-42661417400",
            ),
            (
                "uuid4",
                "123e4567e89b42d3a456426614174000",
                "123e4567e89b32d3a456426614174000",
            ),
            ("isbn10", "0-321-75104-3", "0-321-75104-4"),
            ("isbn13", "978-0321751041", "978-0321751042"),
            ("isbn", "0321751043", "1"),
            ("creditcard", "4111-1111-1111-1111", "4111-1111-1111-1112"),
            ("ssn", "111-11-1111", "1111-1-1111"),
            ("hexcolor", "#FFFFFF", "#FFFF"),
            ("rgbcolor", "rgb(255, 0, 7)", "rgb(256,0,0)"),
            ("byte", "aGVsbG8=", "aGVsbG8"),
            ("date", "2024-02-29", "2023-02-29"),
            ("date", "2024-12-31", "2024-1-1"),
            ("duration", "1h30m", "1.5"),
            ("duration", "22 ns", "soon"),
            ("duration", "5 minutes", "5 lightyears"),
            ("duration", "1d", "d"),
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15 19:30:20Z"),
            ("datetime", "2014-12-15t19:30:20+01:00", "2014-12-15T24:30:20Z"),
            ("k8s-short-name", "a-1", "A-1"),
            ("k8s-long-name", "a.b-c.d", "a..b"),
        ];
        for (name, good, bad) in table {
            let format = Format::named(name, &["string".to_owned()]).unwrap();
            assert!(format.fits(&json!(good)), "{name} should take {good}");
            assert!(!format.fits(&json!(bad)), "{name} should refuse {bad}");
            assert!(format.fits(&json!(7)), "{name} says nothing about numbers");
        }
        assert!(Format::named("password", &[]).is_none());
        assert!(Format::named("whatever", &[]).is_none());
    }

    #[test]
    fn bounds_numbers_by_their_format() {
        let int32 = Format::named("int32", &["integer".to_owned()]).unwrap();
        assert!(int32.fits(&json!(2_147_483_647)));
        assert!(!int32.fits(&json!(2_147_483_648_i64)));
        let float = Format::named("float", &["number".to_owned()]).unwrap();
        assert!(float.fits(&json!(1.5)));
        assert!(!float.fits(&json!(1e39)));
        assert!(Format::named("int32", &["string".to_owned()]).is_none());
    }

    #[test]
    fn keeps_patterns_that_compile() {
        for regex in [
            &SSN,
            &RGB,
            &HOST_CHARACTERS,
            &TIME_OF_DAY,
            &GO_DURATION,
            &WORDY_DURATION,
            &EMAIL,
            &CARD,
        ] {
            assert!(regex.is_some());
        }
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in ".{0,40}") {
            for name in ["uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac", "uuid", "isbn", "creditcard",
                "date", "duration", "datetime", "byte", "k8s-long-name"] {
                if let Some(format) = Format::named(name, &[]) {
                    format.fits(&serde_json::Value::String(text.clone()));
                }
            }
        }
    }
}
