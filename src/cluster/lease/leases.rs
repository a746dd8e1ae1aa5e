//! The Lease in the API server: calls and what their answers mean.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::election::{Answer, Call, Record, Version};

/// How long a call may take. A renewal that is lost leaves time for another before the deadline.
const PATIENCE: Duration = Duration::from_secs(3);

/// One Lease.
pub(super) struct Leases {
    api: Api<Lease>,
    name: &'static str,
    /// As it was last got or written: what others put into it is kept.
    last: Option<Lease>,
}

/// Why a call told nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silence,
    #[error(transparent)]
    Failed(#[from] kube::Error),
    #[error("the Lease came without a uid or a resourceVersion")]
    Unversioned,
}

impl Leases {
    pub(super) fn new(client: Client, namespace: &str, name: &'static str) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name,
            last: None,
        }
    }

    /// Makes a call and waits for its answer.
    pub(super) async fn call(&mut self, call: &Call) -> Result<Answer, CallError> {
        let answer = tokio::time::timeout(PATIENCE, self.ask(call)).await;
        let lease = match answer {
            Ok(Ok(lease)) => lease,
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return Ok(Answer::Missing),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => return Ok(Answer::Conflict),
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => return Err(CallError::Silence),
        };
        let version = version(&lease.metadata).ok_or(CallError::Unversioned)?;
        let answer = match call {
            Call::Get => Answer::Found {
                version,
                record: record(lease.spec.as_ref()),
            },
            Call::Create(_) | Call::Replace { .. } => Answer::Written { version },
        };
        self.last = Some(lease);
        Ok(answer)
    }

    async fn ask(&self, call: &Call) -> kube::Result<Lease> {
        let params = PostParams::default();
        match call {
            Call::Get => self.api.get(self.name).await,
            Call::Create(record) => {
                let metadata = ObjectMeta {
                    name: Some(self.name.to_owned()),
                    ..ObjectMeta::default()
                };
                self.api.create(&params, &self.lease(metadata, record)).await
            }
            Call::Replace { version, record } => {
                let known = self.last.as_ref().map(|lease| lease.metadata.clone());
                let metadata = ObjectMeta {
                    name: Some(self.name.to_owned()),
                    uid: Some(version.uid.clone()),
                    resource_version: Some(version.revision.clone()),
                    ..known.unwrap_or_default()
                };
                self.api
                    .replace(self.name, &params, &self.lease(metadata, record))
                    .await
            }
        }
    }

    fn lease(&self, metadata: ObjectMeta, record: &Record) -> Lease {
        let now = MicroTime(Timestamp::now());
        let former = self.last.as_ref().and_then(|lease| lease.spec.as_ref());
        let acquired = former
            .filter(|spec| spec.holder_identity.as_ref() == Some(&record.holder))
            .and_then(|spec| spec.acquire_time.clone());
        Lease {
            metadata,
            spec: Some(LeaseSpec {
                holder_identity: Some(record.holder.clone()),
                lease_duration_seconds: i32::try_from(record.duration.as_secs()).ok(),
                lease_transitions: Some(record.transitions),
                acquire_time: acquired.or_else(|| Some(now.clone())),
                renew_time: Some(now),
                ..LeaseSpec::default()
            }),
        }
    }
}

fn version(metadata: &ObjectMeta) -> Option<Version> {
    Some(Version {
        uid: metadata.uid.clone()?,
        revision: metadata.resource_version.clone()?,
    })
}

fn record(spec: Option<&LeaseSpec>) -> Record {
    let spec = spec.cloned().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or_default();
    Record {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(u64::try_from(seconds).unwrap_or_default()),
        transitions: spec.lease_transitions.unwrap_or_default(),
    }
}
