//! The Secret's part: made, rotated, mended, and its authority adopted when callers know it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::api::core::v1::Secret;
use tokio::time::Instant;

use super::bundles::knowing;
use super::{Keeper, Signer};
use crate::api::installation::CA_SECRET;
use crate::certificates::calls::CallError;
use crate::certificates::judgement::Judgement;
use crate::certificates::leaves::Leaves;
use crate::certificates::resolver::Resolver;
use crate::certificates::roots::Roots;
use crate::certificates::rotation::{self, Around};
use crate::certificates::secret::Kept;
use crate::telemetry::trust::Object;

/// How long every caBundle must have held a certificate before its authority signs: an API server hears of a changed
/// configuration by a watch, within milliseconds as a rule; one that hears nothing for this long is not well.
const PROPAGATION: Duration = Duration::from_secs(20);
/// How long a missing Secret is not made for want of knowing whom callers trust at present.
const HEARING: Duration = Duration::from_secs(10);

/// What is known of the Secret, and who signs by it.
pub(super) struct Signing {
    leaves: Arc<Leaves>,
    /// The Secret as it was read last; nothing before, and when it may have changed.
    read: Option<Read>,
    /// What stood in it when it was good.
    kept: Option<Kept>,
    /// Whether what is served comes from the Secret; before, it is of a provisional authority.
    adopted: bool,
    began: Instant,
}

enum Read {
    Absent,
    Broken(Box<Secret>, String),
    Good(Box<Secret>, Kept),
}

impl Signing {
    pub(super) fn new(leaves: Arc<Leaves>) -> Self {
        Self {
            leaves,
            read: None,
            kept: None,
            adopted: false,
            began: Instant::now(),
        }
    }

    /// The Secret may have changed.
    pub(super) fn look_again(&mut self) {
        self.read = None;
    }

    pub(super) fn resolver(&self) -> &Arc<Resolver> {
        self.leaves.resolver()
    }

    /// What readiness waits for.
    pub(super) fn waits(&self) -> Option<String> {
        (!self.adopted).then(|| format!("no certificate authority was read from the secret {CA_SECRET} yet"))
    }

    fn took(&mut self, secret: Option<Secret>) {
        self.read = Some(match secret {
            None => Read::Absent,
            Some(secret) => match Kept::read(&secret) {
                Ok(kept) => {
                    self.kept = Some(kept.clone());
                    Read::Good(Box::new(secret), kept)
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
                    Read::Broken(Box::new(secret), format!("{error}{}", cause.unwrap_or_default()))
                }
            },
        });
    }
}

impl Keeper {
    /// Reads the Secret anew.
    pub(super) async fn read_secret(&mut self) -> Result<(), CallError> {
        let secret = self.calls.secret().await?;
        if let Signer::Own(signing) = &mut self.signer {
            signing.took(secret);
        }
        Ok(())
    }

    /// Makes or changes the Secret, if that is due, and learns from it what the caBundles should hold.
    pub(super) async fn keep_secret(&mut self, now: SystemTime) -> Result<(), CallError> {
        if !matches!(&self.signer, Signer::Own(signing) if signing.read.is_some()) {
            self.read_secret().await?;
        }
        let trusted = self.trusted();
        let heard = self.known.iter().all(Option::is_some);
        let Signer::Own(signing) = &mut self.signer else {
            return Ok(());
        };
        let mut told = None;
        let (before, kept) = match &signing.read {
            Some(Read::Good(secret, kept)) => {
                self.wanted = Some(kept.bundle(now));
                let next_is_known = kept
                    .next
                    .as_ref()
                    .is_some_and(|next| self.held.all_for(next.certificate(), PROPAGATION, &self.known));
                let Some(change) = rotation::plan(kept, &Around { now, next_is_known }) else {
                    return Ok(());
                };
                tracing::info!(change = change.name(), "changing the certificate authority");
                let changed = rotation::carry_out(kept, change, now);
                (Some(secret.as_ref().clone()), changed)
            }
            Some(Read::Absent) if heard || signing.began.elapsed() > HEARING => {
                if signing.kept.is_some() {
                    told = Some((
                        "secret-lost",
                        format!("the secret {CA_SECRET} was gone; it was made anew"),
                    ));
                }
                (None, rotation::make(trusted, now))
            }
            None | Some(Read::Absent) => return Ok(()),
            Some(Read::Broken(secret, why)) => {
                told = Some((
                    "secret-broken",
                    format!("the secret {CA_SECRET} could not be used, {why}; its authority was made anew"),
                ));
                let theirs = Kept::certificates(secret);
                let trusted = trusted.iter().chain(theirs.iter()).cloned().collect();
                (Some(secret.as_ref().clone()), rotation::make(trusted, now))
            }
        };
        // Whatever becomes of the write: what was read is not what stands there any more.
        signing.read = None;
        let kept = match kept {
            Ok(kept) => kept,
            Err(error) => {
                tracing::error!(%error, "no certificate authority can be made");
                return Ok(());
            }
        };
        let written = self.calls.write_secret(&kept.write(before)).await?;
        self.trust
            .writes
            .get_or_create(&Object { object: "secret" })
            .inc();
        if let Some((reason, what)) = told {
            self.mended(reason, what);
        } else {
            tracing::info!("the secret {CA_SECRET} was written");
        }
        if let Signer::Own(signing) = &mut self.signer {
            signing.took(Some(written));
            self.wanted = signing.kept.as_ref().map(|kept| kept.bundle(now));
        }
        Ok(())
    }

    /// Whom callers trust at present, as far as it is known: in every caBundle, and in the Secret when it was good.
    fn trusted(&self) -> Roots {
        let mut trusted = Roots::default();
        if let Signer::Own(signing) = &self.signer
            && let Some(kept) = &signing.kept
        {
            for certificate in kept.bundle(SystemTime::now()).iter() {
                trusted.push(certificate.clone());
            }
        }
        let content = self.known.iter().flatten().flatten();
        for entry in content.flat_map(|content| &content.entries) {
            for certificate in entry.bundle.iter() {
                trusted.push(certificate.clone());
            }
        }
        trusted
    }

    /// Signs with the Secret's authority, as soon as callers know it.
    pub(super) fn adopt(&mut self, now: SystemTime) {
        let Signer::Own(signing) = &self.signer else {
            return;
        };
        let Some(kept) = &signing.kept else {
            return;
        };
        let present = Arc::clone(&kept.present);
        if signing.leaves.authority().certificate() == present.certificate() {
            return;
        }
        let served = signing.resolver().served();
        let trusting = Judgement::of(&self.carriers, &self.known, &served.key().cert, None, now).trusting;
        let knowing = knowing(present.certificate(), &self.known);
        // With nobody to lose, at once. Else callers get the time to hear of it.
        let go = trusting == 0
            || knowing > trusting
            || self.held.all_for(present.certificate(), PROPAGATION, &self.known);
        if !go {
            return;
        }
        match signing.leaves.adopt(present, now) {
            Ok(()) => {
                tracing::info!("serving a certificate of the authority in the secret {CA_SECRET}");
                if let Signer::Own(signing) = &mut self.signer {
                    signing.adopted = true;
                }
            }
            Err(error) => tracing::error!(%error, "the certificate authority cannot be adopted"),
        }
    }
}
