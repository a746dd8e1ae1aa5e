//! Whether API servers would trust what is served (rule SV-1): every caBundle that is about us, judged against it.

use std::time::SystemTime;

use rustls::pki_types::CertificateDer;

use super::carriers::{Carried, Carrier};
use super::trust::{self, SystemRoots};

/// How many wrong places are told; the rest is counted.
const TOLD: usize = 3;

/// What is known of one carrier: nothing yet, that it is not there, or what it carries.
pub(super) type Known = Option<Option<Carried>>;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// For each carrier, what is wrong with its places.
    pub(super) wrong: Vec<Vec<String>>,
    /// Places that trust what is served.
    pub(super) trusting: usize,
    /// What is not known yet, or not there, or about somebody else.
    unheard: Vec<String>,
    absent: Vec<String>,
    foreign: Vec<String>,
}

impl Judgement {
    /// Judges all carriers. `system`: who vouches where a caBundle is empty and meant to be.
    pub(super) fn of(
        carriers: &[Carrier],
        known: &[Known],
        chain: &[CertificateDer<'_>],
        system: Option<&SystemRoots>,
        now: SystemTime,
    ) -> Self {
        let mut judgement = Self::default();
        for (carrier, known) in carriers.iter().zip(known) {
            let mut wrong = Vec::new();
            match known {
                None => judgement.unheard.push(carrier.to_string()),
                Some(None) => judgement.absent.push(carrier.to_string()),
                Some(Some(content)) => {
                    if content.entries.is_empty() && content.others > 0 {
                        judgement.foreign.push(carrier.to_string());
                    }
                    for entry in &content.entries {
                        let verified = match system.filter(|_| entry.bundle.is_empty()) {
                            Some(system) => system.verify(chain, &entry.host, now),
                            None => trust::verify(chain, &entry.bundle, &entry.host, now),
                        };
                        match verified {
                            Ok(()) => judgement.trusting += 1,
                            Err(why) if entry.name.is_empty() => wrong.push(format!("{carrier}: {why}")),
                            Err(why) => wrong.push(format!("{carrier}, {}: {why}", entry.name)),
                        }
                    }
                }
            }
            judgement.wrong.push(wrong);
        }
        judgement
    }

    /// Whether this replica may get requests: what is missing, or what is worth a note. Who was ready once stays so
    /// until nobody at all would trust it: a replica that serves half of the callers is better than none.
    pub(super) fn readiness(&self, once_ready: bool) -> Result<Option<String>, String> {
        let wrong: Vec<&str> = self.wrong.iter().flatten().map(String::as_str).collect();
        if !wrong.is_empty() && (!once_ready || self.trusting == 0) {
            return Err(listed("callers would not trust what is served: ", &wrong));
        }
        if !self.unheard.is_empty() && !once_ready {
            return Err(listed("not read yet: ", &self.unheard));
        }
        let mut notes = Vec::new();
        if !wrong.is_empty() {
            notes.push(listed("some callers would not trust what is served: ", &wrong));
        }
        if !self.absent.is_empty() {
            notes.push(listed("not there: ", &self.absent));
        }
        if !self.foreign.is_empty() {
            notes.push(listed("does not call this Hatchway: ", &self.foreign));
        }
        Ok((!notes.is_empty()).then(|| notes.join("; ")))
    }
}

fn listed<S: AsRef<str>>(lead: &str, items: &[S]) -> String {
    let shown: Vec<&str> = items.iter().take(TOLD).map(AsRef::as_ref).collect();
    let more = items.len() - shown.len();
    let rest = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("{lead}{}{rest}", shown.join(", "))
}

#[cfg(test)]
mod tests;
