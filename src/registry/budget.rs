//! What all clients of one host share: how many requests it gets at once, and until when it asked for none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::Url;

use super::error::RequestError;
use super::patience::{Patience, lateness};

/// Hosts come from redirects and token realms, too, so they are not trusted to be few.
pub(super) const HOSTS: usize = 1024;

/// The hosts that this process talks to.
#[derive(Debug)]
pub(super) struct Hosts {
    limit: usize,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

/// One host and port.
#[derive(Debug)]
pub(super) struct Host {
    name: String,
    turns: Arc<Semaphore>,
    wait: Mutex<Option<Wait>>,
}

/// The right to one request; given back when dropped.
#[derive(Debug)]
pub(super) struct Turn(#[allow(dead_code)] OwnedSemaphorePermit);

#[derive(Debug, Clone)]
struct Wait {
    over: Instant,
    until: Timestamp,
    status: u16,
    code: String,
}

impl Hosts {
    /// `limit` requests at once per host.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            hosts: Mutex::default(),
        }
    }

    /// The host of a URL.
    pub(super) fn of(&self, url: &Url) -> Arc<Host> {
        let mut name = url.host_str().unwrap_or_default().to_owned();
        if let Some(port) = url.port() {
            name = format!("{name}:{port}");
        }
        let mut hosts = lock(&self.hosts);
        if hosts.len() >= HOSTS {
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || host.remaining().is_some());
        }
        let fresh = || Host {
            name: name.clone(),
            turns: Arc::new(Semaphore::new(self.limit)),
            wait: Mutex::default(),
        };
        Arc::clone(hosts.entry(name.clone()).or_insert_with(|| Arc::new(fresh())))
    }
}

impl Host {
    /// Waits for a turn, and for the end of the wait that the host asked for. Fails at once when that wait is longer than patience allows.
    pub(super) async fn turn(&self, patience: &Patience) -> Result<Turn, RequestError> {
        loop {
            self.sit_out(patience).await?;
            // The semaphore is never closed, so this does not fail.
            let Ok(permit) = Arc::clone(&self.turns).acquire_owned().await else {
                continue;
            };
            if self.remaining().is_none() {
                return Ok(Turn(permit));
            }
        }
    }

    /// The host asked for no requests during `wait`. A longer wait that is already known stays.
    pub(super) fn ask_to_wait(&self, wait: Duration, status: u16, code: Option<&str>) {
        let now = Timestamp::now();
        let until = now.checked_add(wait).unwrap_or(now);
        // Told in whole seconds, rounded up: never earlier than asked.
        let until = until
            .round(
                jiff::TimestampRound::new()
                    .smallest(jiff::Unit::Second)
                    .mode(jiff::RoundMode::Ceil),
            )
            .unwrap_or(until);
        let fallback = if status == 429 {
            "TOOMANYREQUESTS"
        } else {
            "UNAVAILABLE"
        };
        let over = Instant::now() + wait;
        let mut known = lock(&self.wait);
        if known.as_ref().is_none_or(|known| known.over < over) {
            *known = Some(Wait {
                over,
                until,
                status,
                code: code.unwrap_or(fallback).to_owned(),
            });
        }
    }

    /// The refusal that tells until when the host asked to wait, while it lasts.
    pub(super) fn throttled(&self) -> Option<RequestError> {
        self.remaining().map(|(_, wait)| self.refuse(wait))
    }

    async fn sit_out(&self, patience: &Patience) -> Result<(), RequestError> {
        while let Some((left, wait)) = self.remaining() {
            if left > patience.longest_wait {
                return Err(self.refuse(wait));
            }
            tokio::time::sleep(left + lateness(left, fastrand::f64())).await;
        }
        Ok(())
    }

    fn remaining(&self) -> Option<(Duration, Wait)> {
        let wait = lock(&self.wait).clone()?;
        let left = wait.over.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some((left, wait))
    }

    fn refuse(&self, wait: Wait) -> RequestError {
        RequestError::Throttled {
            host: self.name.clone(),
            until: wait.until,
            status: wait.status,
            code: wait.code,
        }
    }
}

/// What is guarded here is never left half written, so a poisoned lock is as good as any.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(limit: usize) -> Arc<Host> {
        Hosts::new(limit).of(&Url::parse("https://registry.example.com:5000/v2/").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn lets_no_more_in_than_the_limit() {
        let host = host(2);
        let patience = Patience::default();
        let (first, _second) = (
            host.turn(&patience).await.unwrap(),
            host.turn(&patience).await.unwrap(),
        );
        let mut third = Box::pin(host.turn(&patience));
        assert!(
            tokio::time::timeout(Duration::from_secs(1), &mut third)
                .await
                .is_err()
        );
        drop(first);
        third.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn waits_as_long_as_asked_and_never_less() {
        let host = host(2);
        host.ask_to_wait(Duration::from_secs(10), 429, None);
        host.ask_to_wait(Duration::from_secs(3), 429, None);
        let start = Instant::now();
        host.turn(&Patience::default()).await.unwrap();
        let waited = start.elapsed();
        assert!(
            waited >= Duration::from_secs(10) && waited <= Duration::from_secs(12),
            "{waited:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn gives_up_on_a_long_wait_and_tells_until_when() {
        let host = host(2);
        host.ask_to_wait(Duration::from_mins(10), 429, None);
        let text = host.turn(&Patience::default()).await.unwrap_err().to_string();
        assert!(
            text.starts_with("registry registry.example.com:5000 asks to wait until 20"),
            "{text}"
        );
        assert!(text.ends_with("Z: 429 TOOMANYREQUESTS"), "{text}");
        assert_eq!(
            text.find('.'),
            text.find(".example"),
            "no fractions of a second: {text}"
        );
    }

    #[test]
    fn forgets_hosts_that_nobody_uses() {
        let hosts = Hosts::new(1);
        for i in 0..3 * HOSTS {
            hosts.of(&Url::parse(&format!("https://h{i}.example.com/")).unwrap());
        }
        assert!(lock(&hosts.hosts).len() <= HOSTS);
    }
}
