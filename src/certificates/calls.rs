//! The calls that keep Secret and caBundles. Each has an end: whoever keeps them must not hang on one API server that
//! does not answer.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::{Client, Error};

use super::carriers::{Carried, Carrier};
use super::roots::Roots;
use crate::api::installation::{CA_SECRET, FIELD_MANAGER};

/// How long one call may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// An API server and the namespace of the Secret.
#[derive(Clone)]
pub(super) struct Calls {
    pub(super) client: Client,
    pub(super) namespace: String,
}

/// A call that did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer.
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silence,
    /// Somebody else was quicker: look again.
    #[error("somebody else has written meanwhile")]
    Outdated,
    /// The API server refused, or could not be reached.
    #[error("{}", words(.0))]
    Failed(Box<Error>),
}

impl Calls {
    /// The Secret, as it stands in etcd.
    pub(super) async fn secret(&self) -> Result<Option<Secret>, CallError> {
        within(self.secrets().get_opt(CA_SECRET)).await
    }

    /// Writes the Secret: a new one where it has no version yet, else in the place of that version.
    pub(super) async fn write_secret(&self, secret: &Secret) -> Result<Secret, CallError> {
        let parameters = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        if secret.metadata.resource_version.is_none() {
            within(self.secrets().create(&parameters, secret)).await
        } else {
            within(self.secrets().replace(CA_SECRET, &parameters, secret)).await
        }
    }

    /// Applies caBundles to the places of an object as it was read.
    pub(super) async fn apply(
        &self,
        carrier: &Carrier,
        content: &Carried,
        bundles: &[Roots],
    ) -> Result<DynamicObject, CallError> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &carrier.resource());
        let parameters = PatchParams::apply(FIELD_MANAGER).force();
        let patch = Patch::Apply(carrier.patch(content, bundles));
        within(api.patch(&carrier.name, &parameters, &patch)).await
    }

    pub(super) fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// What went wrong, in the API server's words where it said any.
pub(super) fn words(error: &Error) -> String {
    match error {
        Error::Api(status) => status.message.clone(),
        Error::HyperError(error) => chain(error),
        Error::Service(error) => chain(&**error),
        other => other.to_string(),
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut said: Vec<String> = causes.map(ToString::to_string).collect();
    said.dedup();
    said.join(": ")
}

async fn within<T>(call: impl Future<Output = Result<T, Error>>) -> Result<T, CallError> {
    let answer = tokio::time::timeout(PATIENCE, call)
        .await
        .map_err(|_| CallError::Silence)?;
    answer.map_err(|error| match error {
        // Also the Secret that another replica has made first, and an object that is gone.
        Error::Api(status) if [404, 409].contains(&status.code) && status.reason != "NotFound" => {
            CallError::Outdated
        }
        other => CallError::Failed(Box::new(other)),
    })
}
