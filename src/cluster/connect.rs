//! Finding an API server, as kubectl finds it.

use kube::config::{KubeConfigOptions, Kubeconfig};
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
        source: kube::config::KubeconfigError,
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
        server: http::Uri,
        /// Why.
        source: Box<kube::Error>,
    },
}

/// A client for the API server in `kubeconfig`, else in `KUBECONFIG`, the default file, or of the pod's own account.
/// Nothing is called: an API server that is gone is no error here.
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
pub async fn find(kubeconfig: Option<&Path>) -> Result<(Client, http::Uri), ConnectError> {
    let mut config = match kubeconfig {
        Some(file) => read(file).await.map_err(|source| ConnectError::File {
            file: file.to_owned(),
            source,
        })?,
        None => Config::infer().await.map_err(ConnectError::Nowhere)?,
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

async fn read(file: &Path) -> Result<Config, kube::config::KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(file)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
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
