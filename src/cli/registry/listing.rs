//! What there is: modules, tags, files, images of containers, releases, versions. Each does what `crane ls` or
//! `crane export … | tar` would.

use std::cmp::Ordering;
use std::fmt::Write as _;

use anyhow::anyhow;
use clap::{Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};

use super::at::At;
use super::{warn, wrong};
use crate::archive::{Listed, ListedKind};
use crate::cli::output;
use crate::registry::publish::CHANNELS;
use crate::registry::{Name, Repository, RequestError, parse_version, words};
use crate::values::{ImageTag, ModuleName, nearest};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Print the modules that a registry lists
    #[command(after_help = "Examples:
  hatchway registry modules --repo registry.example.com/modules
  hatchway registry modules --source main --state world/ -o json")]
    Modules(Question<Everything>),
    /// Print the tags of a module's images: its versions, and the images of its containers
    #[command(after_help = "Examples:
  hatchway registry tags echo --repo registry.example.com/modules")]
    Tags(Question<Module>),
    /// Print the files in a module's image
    #[command(after_help = "Examples:
  hatchway registry files echo v1.0.0 --repo registry.example.com/modules
  hatchway registry files echo v1.0.0 --repo registry.example.com/modules -o json | jq '.[].size'")]
    Files(Question<Image>),
    /// Print the images of a module's containers
    #[command(after_help = "Examples:
  hatchway registry digests echo v1.0.0 --repo registry.example.com/modules
  hatchway registry digests echo v1.0.0 --repo registry.example.com/modules -o json | jq -r .backend")]
    Digests(Question<Image>),
    /// Print a module's releases: versions and channels
    #[command(after_help = "Examples:
  hatchway registry releases echo --repo registry.example.com/modules")]
    Releases(Question<Module>),
    /// Print the version that a release channel is at
    #[command(after_help = "Examples:
  hatchway registry version echo alpha --repo registry.example.com/modules
  hatchway registry version echo early-access --repo registry.example.com/modules -o json")]
    Version(Question<Release>),
}

/// What is asked, of which registry, and how the answer is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Question<T: clap::Args> {
    #[command(flatten)]
    what: T,
    #[command(flatten)]
    at: At,
    #[command(flatten)]
    format: Format,
}

#[derive(Debug, clap::Args)]
pub(super) struct Everything {}

#[derive(Debug, clap::Args)]
pub(super) struct Module {
    /// The module
    #[arg(value_name = "MODULE", value_parser = ModuleName::parse)]
    module: ModuleName,
}

#[derive(Debug, clap::Args)]
pub(super) struct Image {
    #[command(flatten)]
    module: Module,
    /// The image: a tag or a digest
    #[arg(value_name = "TAG", value_parser = read_name)]
    tag: Name,
}

#[derive(Debug, clap::Args)]
pub(super) struct Release {
    #[command(flatten)]
    module: Module,
    /// The channel: alpha, beta, early-access, stable, rock-solid or lts; or the tag of a release
    #[arg(value_parser = read_channel)]
    channel: String,
}

/// How a list is printed.
#[derive(Debug, clap::Args)]
pub(super) struct Format {
    /// How it is printed
    #[arg(
        short,
        long,
        env = "HATCHWAY_OUTPUT",
        value_name = "FORMAT",
        value_enum,
        default_value_t
    )]
    output: Output,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For eyes
    #[default]
    Human,
    /// JSON
    Json,
    /// YAML
    Yaml,
}

impl Format {
    /// Prints a value, or for eyes what is made of it.
    pub(super) fn print<T: Serialize>(
        &self,
        value: &T,
        human: impl FnOnce(&T) -> String,
    ) -> anyhow::Result<()> {
        output::print(&match self.output {
            Output::Human => human(value),
            Output::Json => format!("{}\n", serde_json::to_string_pretty(value)?),
            Output::Yaml => serde_saphyr::to_string(value)?,
        })
    }
}

/// Asks, and prints what is said.
pub(super) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Modules(question) => modules(question).await,
        Command::Tags(question) => tags(question).await,
        Command::Files(question) => files(question).await,
        Command::Digests(question) => digests(question).await,
        Command::Releases(question) => releases(question).await,
        Command::Version(question) => version(question).await,
    }
}

async fn modules(question: Question<Everything>) -> anyhow::Result<()> {
    let Question {
        what: Everything {},
        at,
        format,
    } = question;
    let listing = at
        .client()
        .await?
        .modules()
        .await
        .map_err(|error| requested(&error))?;
    if !listing.skipped.is_empty() {
        let names: Vec<_> = listing.skipped.iter().map(|name| format!("{name:?}")).collect();
        warn(format_args!(
            "passed over, since they are no names of modules: {}",
            names.join(", ")
        ));
    }
    format.print(&listing.modules, |names| lines(names))
}

async fn tags(question: Question<Module>) -> anyhow::Result<()> {
    let Question { what, at, format } = question;
    print_tags(&at.client().await?.module(what.module.as_str()), &format).await
}

async fn releases(question: Question<Module>) -> anyhow::Result<()> {
    let Question { what, at, format } = question;
    print_tags(&at.client().await?.releases(what.module.as_str()), &format).await
}

async fn print_tags(repository: &Repository, format: &Format) -> anyhow::Result<()> {
    let mut tags = repository.tags().await.map_err(|error| requested(&error))?;
    tags.sort_by(by_version);
    format.print(&tags, |tags| lines(tags))
}

async fn files(question: Question<Image>) -> anyhow::Result<()> {
    let Question { what, at, format } = question;
    let Image { module, tag } = what;
    let files = at.client().await?.files(module.module.as_str(), &tag).await;
    format.print(&files.map_err(|error| wrong::fetching(&error))?, |files| {
        lines(files.iter().map(path_as_tar_has_it))
    })
}

async fn digests(question: Question<Image>) -> anyhow::Result<()> {
    let Question { what, at, format } = question;
    let Image { module, tag } = what;
    let digests = at
        .client()
        .await?
        .images_digests(module.module.as_str(), &tag)
        .await;
    format.print(&digests.map_err(|error| wrong::fetching(&error))?, table)
}

async fn version(question: Question<Release>) -> anyhow::Result<()> {
    #[derive(Serialize)]
    struct Said {
        version: String,
        digest: String,
    }
    let Question { what, at, format } = question;
    let Release { module, channel } = what;
    let name = Name::tag(channel);
    let release = at.client().await?.release(module.module.as_str(), &name).await;
    let release = release.map_err(|error| wrong::fetching(&error))?;
    release.warnings.iter().for_each(warn);
    let said = Said {
        version: format!("v{}", release.version),
        digest: release.digest.to_string(),
    };
    format.print(&said, |said| format!("{}\n", said.version))
}

/// A request as it failed, with its reasons.
fn requested(error: &RequestError) -> anyhow::Error {
    anyhow!(words(error))
}

fn lines<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().fold(String::new(), |mut text, name| {
        text.push_str(name.as_ref());
        text.push('\n');
        text
    })
}

/// Folders end with a slash.
fn path_as_tar_has_it(file: &Listed) -> String {
    let slash = if file.kind == ListedKind::Dir { "/" } else { "" };
    format!("{}{slash}", file.path)
}

/// Versions in their order, then everything else in the alphabet's.
fn by_version(left: &String, right: &String) -> Ordering {
    match (parse_version(left), parse_version(right)) {
        (Ok(a), Ok(b)) => a.cmp(&b).then_with(|| left.cmp(right)),
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// Names and digests in two columns; the platform's own file has a level more, of modules.
fn table(digests: &Map<String, Value>) -> String {
    let mut rows: Vec<(String, &Value)> = Vec::new();
    for (name, value) in digests {
        match value {
            Value::Object(images) => {
                rows.extend(
                    images
                        .iter()
                        .map(|(image, digest)| (format!("{name}/{image}"), digest)),
                );
            }
            digest => rows.push((name.clone(), digest)),
        }
    }
    let width = rows
        .iter()
        .map(|(name, _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let mut text = String::new();
    for (name, digest) in rows {
        let digest = digest
            .as_str()
            .map_or_else(|| digest.to_string(), ToOwned::to_owned);
        // Writing to a string does not fail.
        let _ = writeln!(text, "{name:width$}  {digest}");
    }
    text
}

fn read_name(text: &str) -> Result<Name, String> {
    if text.contains(':') {
        return text
            .parse()
            .map(Name::Digest)
            .map_err(|error| format!("\"{text}\" is neither a tag nor a digest: {error}"));
    }
    let tag = ImageTag::parse(text).map_err(|error| error.to_string())?;
    Ok(Name::tag(tag.as_str()))
}

/// A channel as tags write it, in whatever way it was typed; versions pass.
pub(super) fn read_channel(text: &str) -> Result<String, String> {
    let bare = |name: &str| name.to_lowercase().replace(['-', '_'], "");
    if let Some(channel) = CHANNELS.into_iter().find(|channel| bare(channel) == bare(text)) {
        return Ok(channel.to_owned());
    }
    if parse_version(text).is_ok() {
        return Ok(text.to_owned());
    }
    let hint = nearest(text, CHANNELS).map_or_else(
        || format!("use one of: {}", CHANNELS.join(", ")),
        |channel| format!("did you mean \"{channel}\"?"),
    );
    Err(format!("\"{text}\" is no release channel, {hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorts_versions_before_the_rest() {
        let mut tags = ["beta", "v1.10.0", "v1.9.0", "alpha", "v1.9.0-rc.1", "1.9.0"].map(str::to_owned);
        tags.sort_by(by_version);
        assert_eq!(
            tags,
            ["v1.9.0-rc.1", "1.9.0", "v1.9.0", "v1.10.0", "alpha", "beta"]
        );
    }

    #[test]
    fn reads_channels_as_people_write_them() {
        for (text, channel) in [
            ("alpha", "alpha"),
            ("EarlyAccess", "early-access"),
            ("rock_solid", "rock-solid"),
            ("LTS", "lts"),
            ("v1.2.3", "v1.2.3"),
        ] {
            assert_eq!(read_channel(text).as_deref(), Ok(channel));
        }
        assert_eq!(
            read_channel("stabel").unwrap_err(),
            "\"stabel\" is no release channel, did you mean \"stable\"?"
        );
        assert!(
            read_channel("x")
                .unwrap_err()
                .ends_with("stable, rock-solid, lts")
        );
    }

    #[test]
    fn prints_digests_of_both_shapes() {
        let digests = serde_json::json!({"a": "sha256:1", "long": {"b": "sha256:2"}});
        let Value::Object(digests) = digests else {
            unreachable!()
        };
        assert_eq!(table(&digests), "a       sha256:1\nlong/b  sha256:2\n");
    }
}
