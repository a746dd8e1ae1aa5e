//! Every bound of the admission port, each with its reason beside it, each a flag of `serve`.

use std::time::Duration;

use super::duration;

/// What the server puts up with.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// How long the head of a request may take, from its first byte.
    // An API server sends it in one packet; ten seconds forgive retransmissions, not a client that trickles.
    #[arg(long, env = "HATCHWAY_HEADER_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive)]
    pub header_timeout: Duration,
    /// How long a TLS handshake may take.
    // Three round trips; the API server's own patience with a whole webhook call is ten seconds.
    #[arg(long, env = "HATCHWAY_HANDSHAKE_TIMEOUT", value_name = "DURATION", default_value = "10s", value_parser = positive)]
    pub handshake_timeout: Duration,
    /// How long the body of a request may take, from its head.
    // The longest patience that a webhook configuration can have (`timeoutSeconds: 30`).
    #[arg(long, env = "HATCHWAY_BODY_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = positive)]
    pub body_timeout: Duration,
    /// How long a connection may be without a request.
    // Longer than the 90 s after which Go's client drops an idle connection itself: it should be the one to close.
    #[arg(long, env = "HATCHWAY_IDLE_TIMEOUT", value_name = "DURATION", default_value = "120s", value_parser = positive)]
    pub idle_timeout: Duration,
    /// Connections at once; one more is closed at once.
    // An API server keeps 25 idle ones: room for a hundred of them and their bursts, at some 30 KiB each.
    #[arg(long, env = "HATCHWAY_MAX_CONNECTIONS", value_name = "N", default_value_t = 4096, value_parser = one_or_more)]
    pub max_connections: usize,
    /// Reviews at once; one more is answered 429.
    // A review takes well under a millisecond of CPU: 512 are a queue of some hundred milliseconds, beyond which an
    // answer later is worth less than "try again in a second" now.
    #[arg(long, env = "HATCHWAY_MAX_REVIEWS", value_name = "N", default_value_t = 512, value_parser = one_or_more)]
    pub max_reviews: usize,
    /// Size of a body; a longer one is answered 413.
    // etcd takes objects of 1.5 MiB and the API server requests of 3 MiB: an UPDATE carries two objects of that size.
    #[arg(long, env = "HATCHWAY_MAX_BODY", value_name = "BYTES", default_value = "7Mi", value_parser = bytes)]
    pub max_body: usize,
    /// Bytes of bodies in memory at once; a request that does not fit is answered 429.
    // Eighteen of the longest bodies, or thousands of usual ones, within the memory of a small pod.
    #[arg(long, env = "HATCHWAY_BODY_BUDGET", value_name = "BYTES", default_value = "128Mi", value_parser = bytes)]
    pub body_budget: usize,
    /// How long the port stays open after SIGTERM, until load balancers know.
    // Endpoints travel to every kube-proxy in a second or two; five leave room for a busy control plane.
    #[arg(long, env = "HATCHWAY_DRAIN_DELAY", value_name = "DURATION", default_value = "5s", value_parser = any_duration)]
    pub drain_delay: Duration,
    /// How long the whole shutdown may take.
    // No caller waits longer than 30 s; the Deployment's grace period is 40 s.
    #[arg(long, env = "HATCHWAY_DRAIN_TIMEOUT", value_name = "DURATION", default_value = "30s", value_parser = positive)]
    pub drain_timeout: Duration,
}

/// Streams at once within one h2 connection: four times what an API server opens in a burst.
pub(super) const STREAMS: u32 = 100;
/// How much of a request's head and how much unread body a connection may hold: the head of an API server's request is
/// half a kilobyte, and TLS delivers bodies in records of 16 KiB.
pub(super) const READ_BUFFER: usize = 64 * 1024;

fn any_duration(text: &str) -> Result<Duration, String> {
    duration::parse(text).ok_or_else(|| "not a duration; write it like 10s, 500ms or 1m30s".to_owned())
}

fn positive(text: &str) -> Result<Duration, String> {
    any_duration(text).and_then(|value| {
        if value.is_zero() {
            Err("must be longer than zero".to_owned())
        } else {
            Ok(value)
        }
    })
}

fn one_or_more(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("not a whole number of at least 1".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Bytes with Kubernetes' binary suffixes.
fn bytes(text: &str) -> Result<usize, String> {
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let factor = match unit {
        "" => Some(1),
        "Ki" => Some(1 << 10),
        "Mi" => Some(1 << 20),
        "Gi" => Some(1 << 30),
        _ => None,
    };
    number
        .parse::<usize>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor))
        .filter(|value| *value > 0)
        .ok_or_else(|| "not a size; write it like 7Mi, 512Ki or 1048576".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sizes_with_binary_suffixes() {
        assert_eq!(bytes("7Mi"), Ok(7 << 20));
        assert_eq!(bytes("512"), Ok(512));
        for text in ["", "Mi", "0", "7MB", "-1", "99999999999Gi"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
