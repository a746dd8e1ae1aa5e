//! What goes wrong between us and an API server, in words for people: who, what was asked, and the way out.

use crate::api::Kind;
use kube::core::Status;
use std::error::Error as _;
use std::fmt;

/// Why a call to an API server brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// What sort of trouble it is.
    pub cause: Cause,
    message: String,
}

/// The sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Nobody answers, or not in time.
    Unreachable,
    /// An answer that had begun broke off.
    BrokenOff,
    /// The API server does not know who asks.
    Unauthorized,
    /// The API server does not let us ask.
    Forbidden,
    /// The kind's CRD is not there, or lacks the version.
    NotInstalled,
    /// What happened since then is not known any more: everything has to be listed anew.
    Expired,
    /// The API server cannot answer now.
    Busy,
    /// The API server prepares the kind's storage anew, as after every change of its CRD. That takes a second.
    Preparing,
    /// Any other refusal.
    Refused,
    /// An answer that cannot be read.
    Unreadable,
}

impl Cause {
    /// The cause as a label of a metric.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::BrokenOff => "broken-off",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotInstalled => "not-installed",
            Self::Expired => "expired",
            Self::Busy => "busy",
            Self::Preparing => "preparing",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
        }
    }

    /// Whether a watch can go on from where it was once the trouble is over.
    pub(super) const fn keeps_the_place(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::BrokenOff
                | Self::Unauthorized
                | Self::Forbidden
                | Self::Busy
                | Self::Preparing
        )
    }
}

impl Trouble {
    /// What an error says of a call with `verb` for all objects of `kind`.
    pub(super) fn of(error: &kube::Error, verb: &str, kind: Kind) -> Self {
        match error {
            kube::Error::Api(status) => Self::answered(status, verb, kind),
            kube::Error::SerdeError(_) => Self::new(
                Cause::Unreadable,
                format!(
                    "the API server's answer to {verb} {} cannot be read",
                    kind.definition_name()
                ),
            ),
            other => Self::new(
                Cause::Unreachable,
                format!("the API server does not answer: {}", chain(other)),
            ),
        }
    }

    /// What an error in the middle of a watch says.
    pub(super) fn broken_off(error: &std::io::Error, kind: Kind) -> Self {
        let message = format!("the watch of {} broke off: {error}", kind.definition_name());
        Self::new(Cause::BrokenOff, message)
    }

    /// The API server answered something that is no answer.
    pub(super) fn unreadable(verb: &str, kind: Kind) -> Self {
        let message = format!(
            "the API server's answer to {verb} {} cannot be read",
            kind.definition_name()
        );
        Self::new(Cause::Unreadable, message)
    }

    /// What the API server's refusal says.
    pub(super) fn answered(status: &Status, verb: &str, kind: Kind) -> Self {
        /// Conflict between a version that we know and a store that went back in time.
        const FROM_THE_FUTURE: &str = "Too large resource version";
        /// What `k8s.io/apiserver` says of a watch cache that is not filled yet.
        const PREPARING: &str = "storage is (re)initializing";
        let resource = kind.definition_name();
        let said = said(status);
        match status.code {
            401 => Self::new(
                Cause::Unauthorized,
                format!("the API server does not know who asks to {verb} {resource}: renew the credentials"),
            ),
            403 => Self::new(
                Cause::Forbidden,
                format!("may not {verb} {resource}: {said} (hatchway manifests rbac prints what is needed)"),
            ),
            404 => Self::new(
                Cause::NotInstalled,
                format!(
                    "the CRD {resource} is not installed, or lacks the version {}: apply what hatchway manifests crds \
                     prints",
                    kind.storage_version()
                ),
            ),
            410 => Self::new(Cause::Expired, format!("cannot {verb} {resource}: {said}")),
            504 if status.message.contains(FROM_THE_FUTURE) => {
                Self::new(Cause::Expired, format!("cannot {verb} {resource}: {said}"))
            }
            429 | 503 if status.message.contains(PREPARING) => {
                Self::new(Cause::Preparing, format!("cannot {verb} {resource} now: {said}"))
            }
            429 | 500.. => Self::new(Cause::Busy, format!("cannot {verb} {resource} now: {said}")),
            _ => Self::new(Cause::Refused, format!("cannot {verb} {resource}: {said}")),
        }
    }

    /// A watch whose other end seems to be gone without a word.
    pub(super) fn lost(kind: Kind) -> Self {
        let message = format!("the watch of {} went silent", kind.definition_name());
        Self::new(Cause::BrokenOff, message)
    }

    /// Nobody answered within a time.
    pub(super) fn silent(verb: &str, kind: Kind, patience: std::time::Duration) -> Self {
        Self::new(
            Cause::Unreachable,
            format!(
                "the API server does not answer: no reply to {verb} {} within {} s",
                kind.definition_name(),
                patience.as_secs()
            ),
        )
    }

    const fn new(cause: Cause, message: String) -> Self {
        Self { cause, message }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Trouble {}

fn said(status: &Status) -> String {
    match (status.message.as_str(), status.reason.as_str()) {
        ("", "") => format!("HTTP status {}", status.code),
        ("", reason) => reason.to_owned(),
        (message, _) => message.to_owned(),
    }
}

/// An error and what led to it, each told once: kube's own texts repeat their sources.
pub(super) fn chain(error: &kube::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        parts.retain(|part| !part.contains(&text) || part.len() == text.len());
        if !parts.contains(&text) {
            parts.push(text);
        }
        next = error.source();
    }
    if parts.is_empty() {
        return error.to_string();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(code: u16, message: &str) -> Trouble {
        let status = Status::failure(message, "").with_code(code);
        Trouble::answered(&status, "list", Kind::ModuleSource)
    }

    #[test]
    fn says_what_is_missing_and_the_way_out() {
        assert_eq!(
            answered(404, "the server could not find the requested resource").to_string(),
            "the CRD modulesources.deckhouse.io is not installed, or lacks the version v1alpha1: apply what hatchway \
             manifests crds prints"
        );
        let forbidden = answered(403, "User \"x\" cannot list resource \"modulesources\"");
        assert_eq!(forbidden.cause, Cause::Forbidden);
        assert!(
            forbidden
                .to_string()
                .starts_with("may not list modulesources.deckhouse.io: User \"x\" cannot"),
            "{forbidden}"
        );
    }

    #[test]
    fn tells_a_storage_that_is_being_prepared_from_a_server_that_is_busy() {
        assert_eq!(
            answered(429, "storage is (re)initializing").cause,
            Cause::Preparing
        );
        assert_eq!(answered(429, "too many requests").cause, Cause::Busy);
    }

    #[test]
    fn only_what_says_that_the_place_is_lost_loses_it() {
        for (code, keeps) in [
            (401, true),
            (403, true),
            (404, false),
            (410, false),
            (400, false),
            (429, true),
            (500, true),
            (503, true),
            (504, true),
        ] {
            assert_eq!(answered(code, "").cause.keeps_the_place(), keeps, "{code}");
        }
        let future = answered(504, "Too large resource version: 9, current: 1");
        assert!(!future.cause.keeps_the_place());
    }
}
