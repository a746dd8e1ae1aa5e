//! Whether the API server still answers, and which Kubernetes it is.
//!
//! A connection whose other end vanished without a word looks like one on which nothing happens: a watch would wait for
//! minutes. So a cheap question is asked every few seconds, beside the watches.

use super::health::Health;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The oldest minor version of Kubernetes 1 in which everything that is installed works: CEL validations with
/// `optionalOldSelf`, and matchConditions in webhook configurations, are general there.
const OLDEST: (u32, u32) = (1, 30);
/// How often is asked.
const EVERY: Duration = Duration::from_secs(15);
/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// So many questions without an answer, and the watches are opened anew.
const LOST: u32 = 2;

/// Asks for as long as the program runs, and tells of each version once.
pub(super) async fn run(client: Client, health: Health) {
    let mut told = String::new();
    let mut unanswered = 0;
    loop {
        match timeout(PATIENCE, client.apiserver_version()).await {
            Ok(Ok(version)) => {
                unanswered = 0;
                if version.git_version != told {
                    tell(&version);
                    told = version.git_version;
                }
            }
            // It may not let us ask, but it answers.
            Ok(Err(kube::Error::Api(_))) => unanswered = 0,
            Ok(Err(_)) | Err(_) => {
                unanswered += 1;
                if unanswered == LOST {
                    health.presume_lost();
                }
            }
        }
        sleep(EVERY).await;
    }
}

fn tell(version: &Info) {
    let known = &version.git_version;
    tracing::info!(version = known, "the API server's version");
    if is_too_old(version) {
        let (major, minor) = OLDEST;
        tracing::warn!(
            version = known,
            "the API server is older than Kubernetes {major}.{minor}, the oldest that is supported"
        );
    }
}

/// Whether it is older than what is supported. What cannot be read is taken for new: vendors put a `+` behind the
/// minor version, and more may follow.
fn is_too_old(version: &Info) -> bool {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let version = number(&version.major).zip(number(&version.minor));
    version.is_some_and(|version| version < OLDEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_oldest_supported_is_too_old() {
        let too_old = |major: &str, minor: &str| {
            is_too_old(&Info {
                major: major.into(),
                minor: minor.into(),
                ..Info::default()
            })
        };
        assert!(too_old("1", "29"));
        assert!(too_old("1", "29+"));
        assert!(!too_old("1", "30"));
        assert!(!too_old("1", "36+"));
        assert!(!too_old("2", "0"));
        assert!(!too_old("", ""));
    }
}
