//! `hatchway manifests`: what is applied to a cluster, made from the tables that the program itself goes by.

mod crds;
mod matching;
mod namespace;
mod rbac;
mod settings;
mod target;
#[cfg(test)]
mod tests;
mod webhooks;
mod workload;
mod yaml;

use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Subcommand;

use super::output;
use crate::api::Kind;
use crate::api::installation::{NAME, NAMESPACE};
use crate::values::nearest;
use target::Target;

/// Print what is applied to a cluster, as YAML for kubectl
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway manifests all --image registry.example.com/hatchway:0.1.0 | kubectl apply -f -
  hatchway manifests all --webhook-url https://hatchway.example.com:9443 | kubectl apply -f -
  hatchway manifests crds moduleconfigs
  hatchway manifests webhooks --namespace my-system
  hatchway manifests settings modules/echo > echo-settings.yaml

caBundle is left out of webhook configurations and conversions: the running server fills it in.")]
pub(super) struct Args {
    #[command(subcommand)]
    part: Part,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// The namespace
    Namespace,
    /// The CustomResourceDefinitions
    Crds {
        /// Only the one of this kind, such as moduleconfigs
        #[arg(value_name = "KIND", value_parser = kind)]
        kind: Option<Kind>,
    },
    /// The service account and what it may do
    Rbac,
    /// Deployment, Services and PodDisruptionBudget
    Deployment,
    /// The validating and the mutating webhook configuration
    Webhooks,
    /// The ModuleSettingsDefinition of a module, from its openapi folder
    Settings(settings::Args),
    /// Everything, in the order in which it has to be applied
    All,
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Namespace of Hatchway
    #[arg(long, global = true, env = "HATCHWAY_NAMESPACE", value_name = "NS", default_value = NAMESPACE, value_parser = target::label)]
    namespace: String,
    /// The Service by which API servers call; conversions go to NAME-convert
    #[arg(long, global = true, env = "HATCHWAY_SERVICE", value_name = "NAME", default_value = NAME, value_parser = target::service)]
    service: String,
    /// The URL by which API servers call instead of a Service; nothing is deployed then
    #[arg(long, global = true, env = "HATCHWAY_WEBHOOK_URL", value_name = "URL", conflicts_with = "service", value_parser = target::url)]
    webhook_url: Option<String>,
    /// The image that the Deployment runs
    #[arg(long, global = true, env = "HATCHWAY_IMAGE", value_name = "REF", value_parser = image)]
    image: Option<String>,
    /// How many pods the Deployment has
    #[arg(
        long,
        global = true,
        env = "HATCHWAY_REPLICAS",
        value_name = "N",
        default_value_t = 2
    )]
    replicas: u16,
}

/// Prints the part that is asked for.
pub(super) fn run(args: Args) -> anyhow::Result<ExitCode> {
    let Args { part, options } = args;
    if let Part::Settings(module) = &part {
        return settings::run(module);
    }
    let documents = documents(&part, options)?;
    output::print(&yaml::join(&documents))?;
    Ok(ExitCode::SUCCESS)
}

fn documents(part: &Part, options: Options) -> anyhow::Result<Vec<String>> {
    let Options {
        namespace,
        service,
        webhook_url,
        image,
        replicas,
    } = options;
    let target = match webhook_url {
        Some(url) => Target::Url(url),
        None => Target::Service {
            name: service,
            namespace: namespace.clone(),
        },
    };
    let workload = || -> anyhow::Result<Vec<String>> {
        let Target::Service { name, .. } = &target else {
            bail!(
                "with --webhook-url nothing is deployed: the server behind the URL is yours, leave --webhook-url out for a Deployment"
            );
        };
        let image = image
            .as_deref()
            .context("--image is missing: say which image the Deployment runs")?;
        workload::documents(&namespace, name, image, replicas)
    };
    match part {
        Part::Namespace => namespace::documents(&namespace),
        Part::Crds { kind } => crds::documents(*kind, &target),
        Part::Rbac => rbac::documents(&namespace),
        Part::Deployment => workload(),
        Part::Settings(module) => Ok(settings::read(module)?.document.into_iter().collect()),
        Part::Webhooks => webhooks::documents(&namespace, &target),
        Part::All => {
            let mut all = namespace::documents(&namespace)?;
            all.extend(crds::documents(None, &target)?);
            all.extend(rbac::documents(&namespace)?);
            if matches!(target, Target::Service { .. }) {
                all.extend(workload()?);
            }
            // Last: from then on the API server asks, so whoever answers is there before.
            all.extend(webhooks::documents(&namespace, &target)?);
            Ok(all)
        }
    }
}

/// A kind by its plural or its own name.
fn kind(text: &str) -> Result<Kind, String> {
    let found = Kind::ALL
        .into_iter()
        .find(|kind| kind.plural().eq_ignore_ascii_case(text) || kind.name().eq_ignore_ascii_case(text));
    found.ok_or_else(|| match nearest(text, Kind::ALL.map(Kind::plural)) {
        Some(known) => format!("no such kind, did you mean \"{known}\"?"),
        None => format!(
            "no such kind, use one of {}",
            Kind::ALL.map(Kind::plural).join(", ")
        ),
    })
}

fn image(text: &str) -> Result<String, String> {
    if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("write it like registry.example.com/hatchway:0.1.0".to_owned());
    }
    Ok(text.to_owned())
}
