//! What an API server tells of the Secret and of what carries caBundles: a watch on each by its name.

use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt, select_all};
use kube::api::{Api, DynamicObject};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, watch_object};

use super::calls::{self, Calls};
use super::carriers::{Carried, Carrier, Target};
use crate::api::installation::CA_SECRET;

/// Something is new.
#[derive(Debug)]
pub(super) enum Notice {
    /// The Secret was made, changed or removed. Read it: what a watch tells may be older than what was read meanwhile.
    Secret,
    /// What stands in the carrier of this number now; nothing where it is not there.
    Carrier(usize, Option<Carried>),
    /// The watch of this name is broken, and begun again soon.
    Trouble(String, String),
}

/// A watch on each carrier, and on the Secret if it is of interest. They go on until dropped, through every trouble.
pub(super) fn all(
    calls: &Calls,
    carriers: &[Carrier],
    target: &Target,
    secret: bool,
) -> BoxStream<'static, Notice> {
    let mut watches: Vec<BoxStream<'static, Notice>> = Vec::new();
    if secret {
        let events = watch_object(calls.secrets(), CA_SECRET).backoff(Pace::default());
        let notices = events.map(|event| match event {
            Ok(_) => Notice::Secret,
            Err(error) => Notice::Trouble(format!("secret {CA_SECRET}"), words(&error)),
        });
        watches.push(notices.boxed());
    }
    for (number, carrier) in carriers.iter().enumerate() {
        let api: Api<DynamicObject> = Api::all_with(calls.client.clone(), &carrier.resource());
        let events = watch_object(api, &carrier.name).backoff(Pace::default());
        let (carrier, target) = (carrier.clone(), target.clone());
        let notices = events.map(move |event| match event {
            Ok(object) => Notice::Carrier(number, object.map(|object| carrier.read(&object, &target))),
            Err(error) => Notice::Trouble(carrier.to_string(), words(&error)),
        });
        watches.push(notices.boxed());
    }
    select_all(watches).boxed()
}

fn words(error: &watcher::Error) -> String {
    use watcher::Error as Wrong;
    match error {
        Wrong::InitialListFailed(error) | Wrong::WatchStartFailed(error) | Wrong::WatchFailed(error) => {
            calls::words(error)
        }
        Wrong::WatchError(status) => status.message.clone(),
        Wrong::NoResourceVersion => error.to_string(),
    }
}

/// How soon something that failed is tried again: soon at first, and every few seconds for as long as it takes, since
/// callers that trust nobody get no answer meanwhile.
#[derive(Debug)]
pub(super) struct Pace(Duration);

impl Pace {
    pub(super) const FIRST: Duration = Duration::from_millis(200);
    pub(super) const LAST: Duration = Duration::from_secs(5);
}

impl Default for Pace {
    fn default() -> Self {
        Self(Self::FIRST)
    }
}

impl Iterator for Pace {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let pause = self.0.mul_f64(1.0 + fastrand::f64() / 4.0);
        self.0 = (self.0 * 2).min(Self::LAST);
        Some(pause)
    }
}

impl Backoff for Pace {
    fn reset(&mut self) {
        *self = Self::default();
    }
}
