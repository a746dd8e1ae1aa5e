//! `format`: the API server's set, judged as the API server judges it (rule MC-7).
//!
//! What a format means is what kube-openapi's registry takes it for, which is laxer in places than the RFC of
//! the same name (`uuid` without dashes, `duration` in words). An unknown format means nothing.

mod network;

use std::net::Ipv6Addr;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use super::pattern;
use network::{is_cidr, is_email, is_hostname, is_ipv4, is_mac, is_request_uri};

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
static TIME_OF_DAY: Lazy =
    LazyLock::new(|| lazy(r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$"));
static GO_DURATION: Lazy = LazyLock::new(|| lazy(r"^[-+]?(0|((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)$"));
// The last word of each unit is a stem (`secs`, `seconds`); `Atoi` reads the count, which 18 digits always fit.
static WORDY_DURATION: Lazy = LazyLock::new(|| {
    lazy(
        r"(?i)\d{1,18}\s*(ns|nano[a-zµ]*|us|µs|micro[a-zµ]*|ms|milli[a-zµ]*|s|sec[a-zµ]*|m|min[a-zµ]*|h|hr|hour[a-zµ]*|d|day[a-zµ]*|w|wk|week[a-zµ]*)([^a-zµ]|$)",
    )
});

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
            &network::HOST_CHARACTERS,
            &TIME_OF_DAY,
            &GO_DURATION,
            &WORDY_DURATION,
            &network::EMAIL,
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
