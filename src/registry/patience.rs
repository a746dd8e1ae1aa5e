//! How long a client tries, and how long it waits in between (rule REG-7).

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;

/// The longest wait that a registry may ask for: later is a mistake of its clock.
const LONGEST: Duration = Duration::from_hours(24);

/// When a client gives up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often one request is sent at most.
    pub tries: u32,
    /// How long an answer or a body may make no progress.
    pub stall: Duration,
    /// How long a registry may take to answer once an upload has arrived.
    pub settle: Duration,
    /// The first pause after a failure; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause after a failure.
    pub longest_pause: Duration,
    /// The longest wait that a `Retry-After` may ask for before the request is given up at once, told until when.
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            stall: Duration::from_secs(30),
            settle: Duration::from_mins(2),
            first_pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(10),
            longest_wait: Duration::from_mins(2),
        }
    }
}

impl Patience {
    /// The pause after failure number `failure` (from 1), of which `luck` in `0.0..1.0` takes away up to a half, so
    /// that many clients do not come back together.
    pub(super) fn pause(&self, failure: u32, luck: f64) -> Duration {
        let doubled = self
            .first_pause
            .saturating_mul(1 << failure.saturating_sub(1).min(16));
        doubled
            .min(self.longest_pause)
            .mul_f64(1.0 - luck.clamp(0.0, 1.0) / 2.0)
    }
}

/// How much later than asked a client comes back: never earlier, by up to a tenth of the wait and at most
/// five seconds.
pub(super) fn lateness(wait: Duration, luck: f64) -> Duration {
    (wait / 10)
        .clamp(Duration::from_millis(100), Duration::from_secs(5))
        .mul_f64(luck.clamp(0.0, 1.0))
}

/// What `Retry-After` asks for, counted from `now`: seconds or a date (RFC 9110, 10.2.3). `None` where there is none,
/// it cannot be read, or lies in the past.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let date = Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()?;
        Duration::try_from(now.until(date).ok()?).ok()?
    };
    (!wait.is_zero()).then_some(wait.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(text).unwrap());
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        retry_after(&headers, now).map(|wait| wait.as_secs())
    }

    #[test]
    fn reads_seconds_and_dates() {
        let cases = [
            ("120", Some(120)),
            (" 7 ", Some(7)),
            ("0", None),
            ("-1", None),
            ("1.5", None),
            ("", None),
            ("soon", None),
            ("99999999999999999999999", Some(24 * 3600)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
            ("Sun Nov  6 08:49:37 1994", Some(37)),
            ("Sun, 06 Nov 1994 08:48:00 GMT", None),
            ("Fri, 31 Dec 2100 00:00:00 GMT", Some(24 * 3600)),
        ];
        for (text, expected) in cases {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn doubles_its_pauses_up_to_a_bound() {
        let patience = Patience::default();
        let pauses: Vec<_> = (1..=8)
            .map(|failure| patience.pause(failure, 0.0).as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(patience.pause(1, 1.0).as_millis(), 125);
    }

    proptest! {
        #[test]
        fn is_never_early_and_never_very_late(seconds in 0u64..100_000, luck in 0.0f64..1.0) {
            prop_assert!(lateness(Duration::from_secs(seconds), luck) <= Duration::from_secs(5));
        }

        #[test]
        fn pauses_stay_within_their_bounds(failure in 0u32..1000, luck in 0.0f64..1.0) {
            let patience = Patience::default();
            let pause = patience.pause(failure, luck);
            prop_assert!(pause >= patience.first_pause / 2 && pause <= patience.longest_pause);
        }

        #[test]
        fn survives_any_retry_after(text in "[ -~]{0,60}") {
            let _ = read(&text);
        }
    }
}
