//! Single calls to an API server: each with an end, and with words for when it goes wrong.

use std::future::Future;
use std::time::Duration;

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};

use super::read::PAGE;
use super::trouble::chain;
use crate::api::{GROUP, Kind};

/// How long a call may take. A list may wait for a conversion webhook, to which an API server gives 30 s.
const PATIENCE: Duration = Duration::from_secs(40);

/// A call to an API server that did not do what it should; names the call.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what}")]
pub struct CallError {
    what: String,
    source: Why,
}

#[derive(Debug, thiserror::Error)]
enum Why {
    #[error("{message}")]
    Refused { code: u16, message: String },
    #[error("the API server does not answer: no reply within {} s", PATIENCE.as_secs())]
    Silent,
    #[error("the API server does not answer: {0}")]
    Broken(String),
}

impl CallError {
    /// Somebody else has changed the object since it was read.
    pub(super) fn is_conflict(&self) -> bool {
        self.code() == Some(409)
    }

    /// There is no such object, or no such kind.
    pub(super) fn is_missing(&self) -> bool {
        self.code() == Some(404)
    }

    /// The API server tried and could not, as when a webhook does not answer it.
    pub(super) fn is_its_own(&self) -> bool {
        self.code().is_some_and(|code| code >= 500)
    }

    fn code(&self) -> Option<u16> {
        match self.source {
            Why::Refused { code, .. } => Some(code),
            Why::Silent | Why::Broken(_) => None,
        }
    }

    /// The error and its cause, on one line.
    pub fn line(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Waits for a call; `what` says what it should do, as in `cannot list modules.deckhouse.io`.
pub(super) async fn call<T>(
    what: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, CallError> {
    let source = match tokio::time::timeout(PATIENCE, call).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Why::Refused {
            code: status.code,
            message: status.message,
        },
        Ok(Err(error)) => Why::Broken(chain(&error)),
        Err(_) => Why::Silent,
    };
    Err(CallError {
        what: what.into(),
        source,
    })
}

/// The objects of a kind, in one of its versions.
pub(super) fn objects(client: &Client, kind: Kind, version: &str) -> Api<DynamicObject> {
    let resource = ApiResource {
        group: GROUP.to_owned(),
        version: version.to_owned(),
        api_version: format!("{GROUP}/{version}"),
        kind: kind.name().to_owned(),
        plural: kind.plural().to_owned(),
    };
    Api::all_with(client.clone(), &resource)
}

/// All objects of a kind, as they are in one of its versions.
pub(super) async fn list(
    client: &Client,
    kind: Kind,
    version: &str,
) -> Result<Vec<DynamicObject>, CallError> {
    let api = objects(client, kind, version);
    let mut all = Vec::new();
    let mut parameters = ListParams::default().limit(PAGE);
    loop {
        let page = call(format!("list {}", kind.definition_name()), api.list(&parameters)).await?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => parameters.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}

/// An object as kubectl names it.
pub(super) fn object_name(kind: Kind, object: &DynamicObject) -> String {
    format!(
        "{}/{}",
        kind.plural(),
        object.metadata.name.as_deref().unwrap_or_default()
    )
}
