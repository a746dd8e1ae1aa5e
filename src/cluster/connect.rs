//! Finding an API server, as kubectl finds it.

use crate::network::Proxies;
use http::Uri;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a connection may take: an API server that is gone is to be told soon, and tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// No API server could be found; none was called yet.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file that was named cannot be used.
    #[error("cannot use the kubeconfig {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: KubeconfigError,
    },
    /// There is neither a kubeconfig nor a pod's account.
    #[error(
        "no cluster: name a kubeconfig with --kubeconfig FILE or KUBECONFIG, or run in a pod with an account ({0})"
    )]
    // In the text and not as a source: it tells its own sources, which would be told again.
    Nowhere(kube::config::InferConfigError),
    /// What was found cannot be used to make a client: its certificates or its way to log in.
    #[error("cannot make a client for {server}")]
    Client {
        /// The API server.
        server: Uri,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A client for the API server in `kubeconfig`, else in `KUBECONFIG`, the default file, or of the pod's own account.
/// Nothing is called: an API server that is gone is no error here.
///
/// The cluster's `proxy-url` is used, else `HTTPS_PROXY`, unless `NO_PROXY` names the API server or it is on loopback.
/// A pod reaches the API server of its own cluster directly.
///
/// Calls are not tried again by the client: every loop that calls has a pace of its own, and a leader must not write
/// later than it believes.
///
/// # Errors
/// [`ConnectError`] where nothing is found, or what is found cannot be used.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let (client, _) = find(kubeconfig).await?;
    Ok(client)
}

/// The same, and the address of the API server, for messages.
///
/// # Errors
/// [`ConnectError`] where nothing is found, or what is found cannot be used.
pub async fn find(kubeconfig: Option<&Path>) -> Result<(Client, Uri), ConnectError> {
    let mut config = match kubeconfig {
        Some(file) => configured(Kubeconfig::read_from(file))
            .await
            .map_err(|source| ConnectError::File {
                file: file.to_owned(),
                source,
            })?,
        None => match configured(Kubeconfig::read()).await {
            Ok(config) => config,
            // Fails for the same reason, tries the pod's account and tells of both.
            Err(_) => Config::infer().await.map_err(ConnectError::Nowhere)?,
        },
    };
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.default_retry = false;
    let server = config.cluster_url.clone();
    match Client::try_from(config) {
        Ok(client) => Ok((client, server)),
        Err(error) => Err(ConnectError::Client {
            server,
            source: Box::new(error),
        }),
    }
}

async fn configured(kubeconfig: Result<Kubeconfig, KubeconfigError>) -> Result<Config, KubeconfigError> {
    let kubeconfig = kubeconfig?;
    let named = proxy_of(&kubeconfig);
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    // Kube looks for the proxy itself in NO_PROXY; kubectl for the API server, and nowhere when the file names a proxy.
    let address = named.or_else(|| {
        Proxies::from_env().on_the_way_to(&config.cluster_url)?;
        let set = ["HTTPS_PROXY", "https_proxy"].map(|name| std::env::var(name).ok());
        let address = set.into_iter().flatten().find(|address| !address.is_empty())?;
        // Many write the host alone.
        Some(if address.contains("://") {
            address
        } else {
            format!("http://{address}")
        })
    });
    config.proxy_url = address
        .map(|address| address.parse().map_err(KubeconfigError::ParseProxyUrl))
        .transpose()?;
    Ok(config)
}

/// The `proxy-url` of the cluster that is in use.
fn proxy_of(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|named| named.name == *current)?.context.as_ref()?;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters
        .find(|named| named.name == context.cluster)?
        .cluster
        .as_ref()?;
    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_the_file_that_cannot_be_used() {
        let file = Path::new("no/such/kubeconfig");
        let error = connect(Some(file)).await.map(drop).unwrap_err();
        assert_eq!(error.to_string(), "cannot use the kubeconfig no/such/kubeconfig");
    }
}
