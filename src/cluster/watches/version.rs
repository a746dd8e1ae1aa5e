//! Which Kubernetes the API server is: one that is older than what is supported is told.

use super::health::Health;
use super::pace::Pace;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The oldest minor version of Kubernetes 1 in which everything that is installed works: CEL validations with
/// `optionalOldSelf`, and matchConditions in webhook configurations, are general there.
const OLDEST: (u32, u32) = (1, 30);
/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks at start and whenever the API server was away, since it may be another one then, and tells what it has not
/// told before.
pub(super) async fn tell(client: Client, health: Health) {
    let mut returns = health.returns();
    let mut told = String::new();
    loop {
        let version = ask(&client).await;
        let known = version.git_version.clone();
        if known != told {
            tracing::info!(version = known, "the API server's version");
            if is_too_old(&version) {
                let (major, minor) = OLDEST;
                tracing::warn!(
                    version = known,
                    "the API server is older than Kubernetes {major}.{minor}, the oldest that is supported"
                );
            }
            told = known;
        }
        if returns.changed().await.is_err() {
            return;
        }
    }
}

/// Asks until there is an answer. That there is none is told by the watches.
async fn ask(client: &Client) -> Info {
    let mut pace = Pace::default();
    loop {
        match timeout(PATIENCE, client.apiserver_version()).await {
            Ok(Ok(version)) => return version,
            Ok(Err(error)) => tracing::debug!(%error, "the API server's version is not known"),
            Err(_) => tracing::debug!("the API server's version is not known: no answer"),
        }
        sleep(pace.next()).await;
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
