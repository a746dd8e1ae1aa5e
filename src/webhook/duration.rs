//! Durations as Go writes them (`10s`, `1m0s`, `500ms`, `1.5h`): the API server's `?timeout=` and our own flags.

use std::time::Duration;

/// Reads a duration without a sign; none when it is unreadable. `0` alone needs no unit.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text;
    let mut total: u128 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let unit_end = rest[number..]
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .map_or(rest.len(), |at| number + at);
        total = total.checked_add(nanos(&rest[..number], unit(&rest[number..unit_end])?)?)?;
        rest = &rest[unit_end..];
    }
    u64::try_from(total).ok().map(Duration::from_nanos)
}

/// Nanoseconds in a unit.
fn unit(name: &str) -> Option<u128> {
    Some(match name {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

fn nanos(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    // More than 18 digits of a fraction are below a nanosecond of an hour.
    let fraction = &fraction[..fraction.len().min(18)];
    let part = if fraction.is_empty() {
        0
    } else {
        fraction.parse::<u128>().ok()? * unit / 10_u128.pow(u32::try_from(fraction.len()).ok()?)
    };
    whole.checked_mul(unit)?.checked_add(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_go_writes() {
        for (text, millis) in [
            ("10s", 10_000),
            ("500ms", 500),
            ("1m0s", 60_000),
            ("1h2m3.5s", 3_723_500),
            ("1.5h", 5_400_000),
            (".5s", 500),
            ("1.s", 1_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse("3µs2ns"), Some(Duration::from_nanos(3_002)));
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in [
            "",
            "10",
            "s",
            "10 s",
            "10x",
            "1..5s",
            ".s",
            "-5s",
            "9999999999999h",
            "1s2",
            "ten",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            parse(&text);
        }

        #[test]
        fn reads_back_hours_minutes_seconds(h in 0_u64..1000, m in 0_u64..60, s in 0_u64..60) {
            prop_assert_eq!(parse(&format!("{h}h{m}m{s}s")), Some(Duration::from_secs(h * 3600 + m * 60 + s)));
        }
    }
}
