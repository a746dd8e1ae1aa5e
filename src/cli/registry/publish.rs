//! `hatchway registry publish`: a module's folder as images.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::ValueHint;
use indicatif::ProgressBar;
use semver::Version;
use tokio::task::JoinHandle;

use super::at::Way;
use super::listing::Format;
use super::pull::byte_bar;
use super::wrong;
use crate::registry::publish::{CHANNELS, Publication, Published, Step, Target, publish};
use crate::registry::{Layout, parse_version, words};
use crate::values::Repository;

/// Where images without a registry are, in a layout.
const LAYOUT_PATH: &str = "modules";

/// Publish a module: its image, its release image, its channels, and the tag by which sources find it
///
/// The same folder gives the same images, digest for digest; what is there already is left alone.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  hatchway registry publish ./echo --repo registry.example.com/modules --version v1.0.0 --channel alpha
  hatchway registry publish ./echo --layout ./layout --version v1.0.0 --channel alpha --channel beta

Exit codes: 0 fine, 1 the module is refused or the version exists with other content, 2 could not publish.")]
pub(super) struct Args {
    /// The module's folder, with a module.yaml that names it
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    dir: PathBuf,
    /// The repository that lists the modules, such as registry.example.com/modules
    #[arg(long, env = "HATCHWAY_REPO", value_parser = Repository::parse, required_unless_present = "layout")]
    repo: Option<Repository>,
    /// Write an OCI layout instead; its images are named as under --repo, or modules/MODULE without
    #[arg(long, env = "HATCHWAY_LAYOUT", value_name = "DIR", value_hint = ValueHint::DirPath)]
    layout: Option<PathBuf>,
    /// The version, such as v1.0.0
    #[arg(long = "version", env = "HATCHWAY_VERSION", value_name = "VERSION", value_parser = parse_version)]
    version: Version,
    /// A release channel that is to be at this version: alpha, beta, early-access, stable, rock-solid or lts; may be
    /// repeated
    #[arg(long, env = "HATCHWAY_CHANNEL", value_name = "CHANNEL", value_parser = read_channel, value_delimiter = ',')]
    channel: Vec<String>,
    /// Replace the version where it exists with other content
    #[arg(long, env = "HATCHWAY_OVERWRITE")]
    overwrite: bool,
    #[command(flatten)]
    way: Way,
    #[command(flatten)]
    format: Format,
}

pub(super) async fn run(args: Args) -> anyhow::Result<()> {
    let Args {
        dir,
        repo,
        layout,
        version,
        channel,
        overwrite,
        way,
        format,
    } = args;
    let target = match (layout, repo) {
        (Some(dir), repo) => Target::Layout {
            layout: Layout::create(dir).map_err(|error| anyhow!(words(&error)))?,
            path: repo.map_or_else(|| LAYOUT_PATH.to_owned(), |repo| repo.path().to_owned()),
        },
        (None, Some(repo)) => Target::Registry(way.client(repo.host(), repo.path())?),
        (None, None) => bail!("say where to: --repo or --layout"),
    };
    let publication = Publication {
        dir,
        version,
        channels: channel,
        overwrite,
    };
    let bars = Bars::default();
    let published = publish(&publication, &target, &|step| bars.step(step)).await;
    bars.clear();
    format.print(&published.map_err(|error| wrong::publishing(&error))?, told)
}

fn told(published: &Published) -> String {
    let lines = published.images.iter().map(|image| {
        let unchanged = if image.unchanged { " (there already)" } else { "" };
        format!("{} {}{unchanged}\n", image.reference, image.digest)
    });
    lines.collect()
}

fn read_channel(text: &str) -> Result<String, String> {
    super::listing::read_channel(text).and_then(|channel| {
        if CHANNELS.contains(&channel.as_str()) {
            Ok(channel)
        } else {
            Err(format!(
                "\"{text}\" is no release channel, use one of: {}",
                CHANNELS.join(", ")
            ))
        }
    })
}

/// A bar for the image that is on its way.
#[derive(Default)]
struct Bars(Mutex<Option<(ProgressBar, JoinHandle<()>)>>);

impl Bars {
    fn step(&self, step: Step) {
        self.clear();
        match step {
            Step::Packing => {
                let bar = ProgressBar::new_spinner().with_message("packing");
                self.show(bar, Arc::default());
            }
            Step::Pushing {
                reference,
                size,
                sent,
            } => self.show(byte_bar(size).with_message(reference), sent),
            Step::Done(_) => {}
        }
    }

    fn show(&self, bar: ProgressBar, sent: Arc<AtomicU64>) {
        let drawn = bar.clone();
        let task = tokio::spawn(async move {
            loop {
                drawn.set_position(sent.load(Ordering::Relaxed));
                drawn.tick();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((bar, task));
    }

    fn clear(&self) {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((bar, task)) = shown {
            task.abort();
            bar.finish_and_clear();
        }
    }
}
