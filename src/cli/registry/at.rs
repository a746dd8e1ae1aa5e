//! The flags that say where a registry is and how it is spoken to.

use std::path::PathBuf;

use anyhow::{Context, anyhow, bail};
use clap::{ValueEnum, ValueHint};

use super::docker_config;
use super::warn;
use crate::api::{Kind, ModuleSource};
use crate::cli::against;
use crate::cli::kubeconfig::ClusterArgs;
use crate::registry::{Client, Network, Options, Scheme, Source, words};
use crate::values::Repository;

/// Which registry: one by its address, or a ModuleSource's.
#[derive(Debug, clap::Args)]
pub(super) struct At {
    #[command(flatten)]
    which: Which,
    /// The world of --source: the YAML and JSON files in DIR are the objects that exist [default: a cluster's]
    #[arg(long, env = "HATCHWAY_STATE", value_name = "DIR", value_hint = ValueHint::DirPath)]
    state: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArgs,
    #[command(flatten)]
    way: Way,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The repository that lists the modules, such as registry.example.com/modules
    #[arg(long, env = "HATCHWAY_REPO", value_parser = Repository::parse)]
    repo: Option<Repository>,
    /// A ModuleSource, with its own scheme, CA and credentials where no flag says otherwise
    #[arg(long, env = "HATCHWAY_SOURCE", value_name = "NAME")]
    source: Option<String>,
}

/// How a registry is spoken to.
#[derive(Debug, clap::Args)]
pub(super) struct Way {
    /// Protocol [default: HTTP to this machine unless there is a --ca, HTTPS elsewhere]
    #[arg(long, env = "HATCHWAY_SCHEME", value_enum, ignore_case = true)]
    scheme: Option<Protocol>,
    /// PEM certificates that are trusted beside the system's
    #[arg(long, env = "HATCHWAY_CA", value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,
    /// Docker's config.json, or its folder [default: the folder in DOCKER_CONFIG, else ~/.docker]
    #[arg(long, env = "HATCHWAY_DOCKER_CONFIG", value_name = "FILE", value_hint = ValueHint::AnyPath)]
    docker_config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    /// In the clear
    #[value(name = "HTTP")]
    Http,
    /// Over TLS
    #[value(name = "HTTPS")]
    Https,
}

impl At {
    /// A client of the registry's modules.
    pub(super) async fn client(&self) -> anyhow::Result<Client> {
        let Self {
            which,
            state,
            cluster,
            way,
        } = self;
        let source = match (&which.repo, &which.source) {
            (Some(repo), _) => way.source(repo.host(), repo.path())?,
            (None, Some(name)) => {
                let world = match state {
                    Some(dir) => against::load(dir)?,
                    None => cluster.world(&[Kind::ModuleSource]).await?,
                };
                if let Some(why) = world.why_unreadable(Kind::ModuleSource, name) {
                    bail!("ModuleSource \"{name}\" cannot be read: {why}");
                }
                let found = world.get::<ModuleSource>(name).ok_or_else(|| {
                    let meant = world.nearest::<ModuleSource>(name);
                    let hint = meant.map_or(String::new(), |meant| format!(", did you mean \"{meant}\"?"));
                    anyhow!("the '{name}' module source does not exist{hint}")
                })?;
                let source = Source::of(&found.spec.registry)
                    .map_err(|error| anyhow!("ModuleSource \"{name}\": {}", words(&error)))?;
                way.over(source)?
            }
            (None, None) => bail!("name the registry with --repo or --source"),
        };
        connect(source)
    }
}

impl Way {
    /// A client for a repository by its address.
    pub(super) fn client(&self, host: &str, path: &str) -> anyhow::Result<Client> {
        connect(self.source(host, path)?)
    }

    fn source(&self, host: &str, path: &str) -> anyhow::Result<Source> {
        let scheme = Scheme::default_for(host, self.ca.is_some());
        let mut source = self.over(Source::new(scheme, host, path))?;
        if source.credentials.is_none() {
            source.credentials = docker_config::credentials(self.docker_config.as_deref(), host)?;
        }
        let this_machine = Scheme::default_for(host, false) == Scheme::Http;
        if source.credentials.is_some() && source.scheme == Scheme::Http && !this_machine {
            warn(format_args!(
                "the credentials for {host} travel in the clear, leave out --scheme HTTP"
            ));
        }
        Ok(source)
    }

    /// What the flags say goes before what the source says.
    fn over(&self, mut source: Source) -> anyhow::Result<Source> {
        let Self {
            scheme,
            ca,
            docker_config,
        } = self;
        match scheme {
            Some(Protocol::Http) => source.scheme = Scheme::Http,
            Some(Protocol::Https) => source.scheme = Scheme::Https,
            None => {}
        }
        if let Some(path) = ca {
            let text = std::fs::read_to_string(path);
            source.ca = Some(text.with_context(|| format!("cannot read --ca \"{}\"", path.display()))?);
        }
        if let Some(path) = docker_config {
            source.credentials = docker_config::credentials(Some(path), &source.host)?;
        }
        Ok(source)
    }
}

fn connect(source: Source) -> anyhow::Result<Client> {
    let network = Network::new(Options::default());
    network.client(source).map_err(|error| anyhow!(words(&error)))
}
