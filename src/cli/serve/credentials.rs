//! Which certificate is shown, and who keeps it fresh.

use std::future::Future;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, bail};

use kube::Client;

use crate::api::installation;
use crate::certificates::authority::{AUTHORITY_LIFE, LEAF_LIFE};
use crate::certificates::keeper::Source;
use crate::certificates::{Authority, ClientCa, Keeper, Leaves, PairFiles, Target, Tls};
use crate::telemetry::trust::Trust;
use crate::telemetry::{Metrics, Readiness};
use crate::webhook::Drain;

/// Where the standalone server writes its authority's certificate.
const STANDALONE_CA_FILE: &str = "certs/ca.crt";
/// Where a pod finds the name of its namespace.
const POD_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// The flags that concern certificates.
#[derive(Debug, clap::Args)]
pub(super) struct CertificateArgs {
    /// Folder with tls.crt, tls.key and maybe ca.crt, reloaded when they change [default: a certificate of our own]
    #[arg(long, env = "HATCHWAY_TLS_DIR", value_name = "DIR")]
    tls_dir: Option<PathBuf>,
    /// Where the certificates to be trusted are written, for curl --cacert [default: certs/ca.crt if standalone]
    #[arg(
        long,
        env = "HATCHWAY_CA_FILE",
        value_name = "FILE",
        conflicts_with = "tls_dir"
    )]
    ca_file: Option<PathBuf>,
    /// Callers must show a certificate that one of the CAs in FILE has signed
    #[arg(long, env = "HATCHWAY_CLIENT_CA", value_name = "FILE")]
    client_ca: Option<PathBuf>,
    /// The Service by which API servers call: the certificate is for NAME.NAMESPACE.svc
    #[arg(
        long,
        env = "HATCHWAY_SERVICE",
        value_name = "NAME",
        default_value = installation::NAME
    )]
    service: String,
    /// The URL by which API servers call instead of a Service: the certificate is for its host
    #[arg(long, env = "HATCHWAY_WEBHOOK_URL", value_name = "URL")]
    webhook_url: Option<http::Uri>,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What is shown, and the tasks that keep it fresh.
pub(super) struct Credentials {
    pub(super) tls: Arc<Tls>,
    /// What callers have to trust, if it is a file.
    pub(super) ca_file: Option<PathBuf>,
    tasks: Vec<Task>,
}

impl Credentials {
    /// From now on changes are followed.
    pub(super) fn follow(self) {
        for task in self.tasks {
            tokio::spawn(task);
        }
    }
}

/// Who calls, and where is told how that goes.
pub(super) struct Callers<'a> {
    /// The cluster whose API servers call; none in standalone mode.
    pub(super) cluster: Option<&'a Client>,
    pub(super) namespace: &'a str,
    pub(super) metrics: &'a Metrics,
    pub(super) trust: Trust,
    pub(super) readiness: &'a Readiness,
    pub(super) drain: &'a Drain,
}

/// Reads or makes the certificate. What cannot be served is an error that says why.
pub(super) fn load(args: CertificateArgs, callers: Callers<'_>) -> anyhow::Result<Credentials> {
    let Callers {
        cluster,
        namespace,
        metrics,
        trust,
        readiness,
        drain,
    } = callers;
    let standalone = cluster.is_none();
    let CertificateArgs {
        tls_dir,
        ca_file,
        client_ca,
        service,
        webhook_url,
    } = args;
    let mut tasks: Vec<Task> = Vec::new();
    let names = names(&service, webhook_url.as_ref(), namespace, standalone)?;
    let target = match webhook_url {
        Some(url) => Target::Url(url),
        None => Target::Service {
            name: service,
            namespace: namespace.to_owned(),
        },
    };
    let keeper = |source: Source| {
        let drain = drain.clone();
        cluster.map(|client| {
            let keeper = Keeper::new(
                client.clone(),
                namespace.to_owned(),
                target,
                source,
                readiness,
                trust,
            );
            keeper.until(Box::new(move || drain.begun()))
        })
    };

    let (resolver, ca_file) = if let Some(dir) = tls_dir {
        let mut files = PairFiles::load(&dir, metrics.clone())
            .with_context(|| format!("cannot serve the certificate in --tls-dir {}", dir.display()))?;
        let resolver = files.resolver().context("the certificate was taken already")?;
        let source = Source::Files {
            bundle: files.bundle(),
            resolver: Arc::clone(&resolver),
        };
        tasks.extend(keeper(source).map(|keeper| Box::pin(keeper.run()) as Task));
        tasks.push(Box::pin(files.follow(Arc::clone(&resolver))));
        let bundle = dir.join("ca.crt");
        (resolver, bundle.exists().then_some(bundle))
    } else {
        let now = SystemTime::now();
        // In a cluster, what callers trust stands in a Secret: until that is read, something has to be shown.
        let life = if standalone { AUTHORITY_LIFE } else { LEAF_LIFE };
        let authority = Arc::new(Authority::generate(now, life)?);
        let ca_file = ca_file.or_else(|| standalone.then(|| STANDALONE_CA_FILE.into()));
        if let Some(file) = &ca_file {
            write_atomically(file, authority.certificate_pem())
                .with_context(|| format!("cannot write --ca-file {}", file.display()))?;
        }
        let leaves = Arc::new(Leaves::new(authority, names, now, metrics.clone())?);
        let resolver = Arc::clone(leaves.resolver());
        if let Some(mut keeper) = keeper(Source::Own(Arc::clone(&leaves))) {
            if let Some(file) = ca_file.clone() {
                keeper = keeper.publishing(Box::new(move |bundle| write_atomically(&file, bundle)));
            }
            tasks.push(Box::pin(keeper.run()));
        }
        tasks.push(Box::pin(leaves.follow()));
        (resolver, ca_file)
    };

    let client = client_ca
        .map(|file| ClientCa::load(file, metrics.clone()))
        .transpose()?;
    let (client, roots) = client.unzip();
    let tls = Arc::new(Tls::new(resolver, roots)?);
    if let Some(client) = client {
        tasks.push(Box::pin(client.follow(Arc::clone(&tls))));
    }
    Ok(Credentials { tls, ca_file, tasks })
}

/// The names that callers use.
fn names(
    service: &str,
    url: Option<&http::Uri>,
    namespace: &str,
    standalone: bool,
) -> anyhow::Result<Vec<String>> {
    let mut names = if let Some(url) = url {
        let Some(host) = url.host().filter(|_| url.scheme_str() == Some("https")) else {
            bail!("--webhook-url \"{url}\" is no https URL; write it like https://hatchway.example.com:9443");
        };
        vec![host.trim_matches(['[', ']']).to_owned()]
    } else {
        // The second is the Service for conversions, which also reaches replicas that are not ready.
        vec![
            format!("{service}.{namespace}.svc"),
            format!("{}.{namespace}.svc", installation::convert_service(service)),
        ]
    };
    if standalone {
        names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    }
    Ok(names)
}

/// The pod's namespace, or the one that Hatchway is installed in by default.
pub(super) fn own_namespace() -> String {
    std::fs::read_to_string(POD_NAMESPACE)
        .ok()
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| installation::NAMESPACE.to_owned())
}

/// Writes a file that others read meanwhile: they see the old one or the new one. Its folder is made.
fn write_atomically(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut new = tempfile::Builder::new()
        .prefix(".ca-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
        .tempfile_in(folder)?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    new.persist(file)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_certificate_is_for_the_services_or_the_host_of_the_url() {
        let named = names("hatchway", None, "d8-system", false).unwrap();
        assert_eq!(
            named,
            ["hatchway.d8-system.svc", "hatchway-convert.d8-system.svc"]
        );
        let url = "https://hatchway.example.com:9443/x".parse().unwrap();
        assert_eq!(
            names("hatchway", Some(&url), "", false).unwrap(),
            ["hatchway.example.com"]
        );
        let url = "https://[::1]:9443".parse().unwrap();
        assert_eq!(
            names("hatchway", Some(&url), "", true).unwrap(),
            ["::1", "localhost", "127.0.0.1", "::1"]
        );
        let url = "http://hatchway.example.com".parse().unwrap();
        assert!(
            names("hatchway", Some(&url), "", false)
                .unwrap_err()
                .to_string()
                .contains("https://")
        );
    }

    #[test]
    fn writes_a_readable_file_into_a_new_folder_and_replaces_it() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("certs/ca.crt");
        for text in ["one", "two"] {
            write_atomically(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(
            std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o644
        );
        assert_eq!(std::fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
