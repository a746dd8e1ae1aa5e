//! Publishing a module: its image, its release image, the channels, and the tag by which sources find it.

mod image;
mod pack;
mod push;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use oci_spec::image::Digest;
use semver::Version;
use serde::Serialize;

pub use image::Image;
pub use pack::{Layer, PackError, pack_dir, pack_files};

use super::client::Client;
use super::definition::{ModuleDefinition, ReadDefinitionError};
use super::error::RequestError;
use super::layout::{Layout, LayoutError};
use super::repository::{Name, Repository};

/// Release channels as tags name them (rule REG-1).
pub const CHANNELS: [&str; 6] = ["alpha", "beta", "early-access", "stable", "rock-solid", "lts"];

/// What to publish.
#[derive(Debug, Clone)]
pub struct Publication {
    /// The module's folder; `module.yaml` in it names the module.
    pub dir: PathBuf,
    /// The version.
    pub version: Version,
    /// Channels that are to point to it, of [`CHANNELS`].
    pub channels: Vec<String>,
    /// Whether a version that exists with other content is replaced.
    pub overwrite: bool,
}

/// Where to.
#[derive(Debug, Clone)]
pub enum Target {
    /// A registry; the source's path is the repository that lists the modules.
    Registry(Client),
    /// A layout.
    Layout {
        /// The layout.
        layout: Layout,
        /// The repository that lists the modules, `modules` where nothing else is named.
        path: String,
    },
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Published {
    /// The module's name.
    pub module: String,
    /// The version, with its `v`.
    pub version: String,
    /// All images, in the order of publishing.
    pub images: Vec<PublishedImage>,
}

/// One image and its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedImage {
    /// `registry.example.com/modules/echo:v1.0.0`.
    pub reference: String,
    /// Its digest.
    pub digest: String,
    /// Whether it was there already.
    pub unchanged: bool,
}

/// What goes on, for those who show it.
#[derive(Debug, Clone)]
pub enum Step {
    /// The folder is being packed.
    Packing,
    /// An image is on its way.
    Pushing {
        /// Its name.
        reference: String,
        /// Bytes of its layer.
        size: u64,
        /// Bytes sent so far; goes back to 0 when a try fails, stays there when the registry has them.
        sent: Arc<AtomicU64>,
    },
    /// An image is in its place.
    Done(PublishedImage),
}

/// A module was not published, or not wholly: the tag by which sources find it comes last.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// No `module.yaml`.
    #[error("cannot read \"{path}\": a module's folder has a module.yaml that names it")]
    NoDefinition {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be read.
        #[source]
        source: std::io::Error,
    },
    /// A `module.yaml` that cannot be used.
    #[error("cannot publish")]
    Definition(#[from] ReadDefinitionError),
    /// A `module.yaml` without a name.
    #[error("module.yaml: name: required, it becomes the repository's name")]
    NoName,
    /// A channel that there is not.
    #[error("channel \"{0}\" is unknown, use one of: alpha, beta, early-access, stable, rock-solid, lts")]
    Channel(String),
    /// A version that cannot be a tag.
    #[error("version \"{0}\" cannot be a tag: leave out what follows the +")]
    Version(Version),
    /// The version is there, and it is not this one.
    #[error(
        "\"{reference}\" exists with other content ({digest}): publish a new version, or say --overwrite"
    )]
    Exists {
        /// The image that is there.
        reference: String,
        /// Its digest.
        digest: Digest,
    },
    /// The folder cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// The registry did not take it.
    #[error("cannot publish")]
    Request(#[from] RequestError),
    /// The layout did not take it.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// An image could not be put together.
    #[error("cannot build the image")]
    Image(#[from] oci_spec::OciSpecError),
    /// Packing was interrupted.
    #[error("packing was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

/// Publishes a module: `<repo>/<m>:v<x>`, `<repo>/<m>/release:v<x>`, the channels, and last `<repo>:<m>`. The same
/// folder gives the same digests; what is there already is left alone. Nothing is pushed when the version exists with
/// other content, unless it may be overwritten.
pub async fn publish(
    publication: &Publication,
    target: &Target,
    on: &(dyn Fn(Step) + Send + Sync),
) -> Result<Published, PublishError> {
    for channel in &publication.channels {
        if !CHANNELS.contains(&channel.as_str()) {
            return Err(PublishError::Channel(channel.clone()));
        }
    }
    if !publication.version.build.is_empty() {
        return Err(PublishError::Version(publication.version.clone()));
    }
    let definition_path = publication.dir.join("module.yaml");
    let definition = std::fs::read(&definition_path).map_err(|source| PublishError::NoDefinition {
        path: definition_path,
        source,
    })?;
    let module = ModuleDefinition::parse(&definition)?
        .name
        .ok_or(PublishError::NoName)?;
    let version = format!("v{}", publication.version);
    on(Step::Packing);
    let images = {
        let (dir, version, module) = (publication.dir.clone(), version.clone(), module.clone());
        tokio::task::spawn_blocking(move || Images::build(&dir, &module, &version, &definition)).await??
    };

    let place = Place { target };
    let (code, release) = (place.below(&module), place.below(&format!("{module}/release")));
    let mut plan = vec![
        (code.as_str(), version.as_str(), &images.module),
        (&release, &version, &images.release),
    ];
    if !publication.overwrite {
        for (repository, tag, image) in &plan {
            if let Some(digest) = place.existing(repository, tag).await?
                && digest != image.digest
            {
                return Err(PublishError::Exists {
                    reference: place.reference(repository, tag),
                    digest,
                });
            }
        }
    }
    plan.extend(
        publication
            .channels
            .iter()
            .map(|channel| (release.as_str(), channel.as_str(), &images.release)),
    );
    let root = place.root();
    plan.push((&root, &module, &images.listed));

    let mut published = Published {
        module: module.clone(),
        version: version.clone(),
        images: Vec::new(),
    };
    for (repository, tag, image) in plan {
        let done = place.put(repository, tag, image, on).await?;
        on(Step::Done(done.clone()));
        published.images.push(done);
    }
    Ok(published)
}

/// The three images of a publication.
struct Images {
    module: Image,
    release: Image,
    /// Says by its tag alone that the module is there; the same for all modules.
    listed: Image,
}

impl Images {
    fn build(dir: &Path, module: &str, version: &str, definition: &[u8]) -> Result<Self, PublishError> {
        let whole = pack_dir(dir)?;
        let version_json = serde_json::json!({ "version": version }).to_string();
        let changelog = match std::fs::read(dir.join("changelog.yaml")) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(PackError::Io {
                    path: dir.join("changelog.yaml"),
                    source,
                }
                .into());
            }
        };
        let mut files: Vec<(&str, &[u8])> = vec![("version.json", version_json.as_bytes())];
        if let Some(text) = &changelog {
            files.push(("changelog.yaml", text));
        }
        files.push(("module.yaml", definition));
        Ok(Self {
            module: Image::new(whole, Some(module), Some(version))?,
            release: Image::new(pack_files(&files)?, Some(module), Some(version))?,
            listed: Image::new(pack_files(&[])?, None, None)?,
        })
    }
}

/// A target that is written to.
struct Place<'a> {
    target: &'a Target,
}

impl Place<'_> {
    fn root(&self) -> String {
        match self.target {
            Target::Registry(client) => client.source().path.clone(),
            Target::Layout { path, .. } => path.clone(),
        }
    }

    fn below(&self, name: &str) -> String {
        let root = self.root();
        if root.is_empty() {
            name.to_owned()
        } else {
            format!("{root}/{name}")
        }
    }

    fn reference(&self, repository: &str, tag: &str) -> String {
        match self.target {
            Target::Registry(client) => client.repository(repository).reference(&Name::tag(tag)),
            Target::Layout { .. } => format!("{repository}:{tag}"),
        }
    }

    async fn existing(&self, repository: &str, tag: &str) -> Result<Option<Digest>, PublishError> {
        match self.target {
            Target::Registry(client) => Ok(known(&client.repository(repository), tag).await?),
            Target::Layout { layout, .. } => {
                Ok(layout.image(repository, tag)?.map(|known| known.digest().clone()))
            }
        }
    }

    async fn put(
        &self,
        repository: &str,
        tag: &str,
        image: &Image,
        on: &(dyn Fn(Step) + Send + Sync),
    ) -> Result<PublishedImage, PublishError> {
        let reference = self.reference(repository, tag);
        let unchanged = self.existing(repository, tag).await?.as_ref() == Some(&image.digest);
        if !unchanged {
            let sent = Arc::new(AtomicU64::new(0));
            let size = image.layer.size;
            on(Step::Pushing {
                reference: reference.clone(),
                size,
                sent: Arc::clone(&sent),
            });
            match self.target {
                Target::Registry(client) => client.repository(repository).push(image, tag, &sent).await?,
                Target::Layout { layout, .. } => {
                    layout.add_file(&image.layer.digest, &image.layer.file)?;
                    layout.add_bytes(&image.config)?;
                    layout.add_bytes(&image.manifest)?;
                    layout.name(repository, tag, &image.descriptor())?;
                }
            }
        }
        Ok(PublishedImage {
            reference,
            digest: image.digest.to_string(),
            unchanged,
        })
    }
}

/// What a tag stands for; `None` where the tag, or the whole repository, is not there.
async fn known(repository: &Repository, tag: &str) -> Result<Option<Digest>, RequestError> {
    match repository.digest(&Name::tag(tag)).await {
        Ok(digest) => Ok(Some(digest)),
        Err(error) if error.status() == Some(http::StatusCode::NOT_FOUND) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(content: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("module.yaml"), "name: echo\nweight: 910\n").unwrap();
        std::fs::write(dir.path().join("changelog.yaml"), "features: []\n").unwrap();
        std::fs::write(dir.path().join("content"), content).unwrap();
        dir
    }

    fn publication(dir: &tempfile::TempDir, version: &str) -> Publication {
        Publication {
            dir: dir.path().to_owned(),
            version: version.parse().unwrap(),
            channels: vec!["alpha".into(), "early-access".into()],
            overwrite: false,
        }
    }

    #[tokio::test]
    async fn publishes_into_a_layout_and_refuses_other_content() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::create(dir.path()).unwrap();
        let target = Target::Layout {
            layout,
            path: "modules".into(),
        };
        let one = module("one");
        let first = publish(&publication(&one, "1.0.0"), &target, &|_| {})
            .await
            .unwrap();
        let names: Vec<_> = first
            .images
            .iter()
            .map(|image| image.reference.as_str())
            .collect();
        assert_eq!(
            names,
            [
                "modules/echo:v1.0.0",
                "modules/echo/release:v1.0.0",
                "modules/echo/release:alpha",
                "modules/echo/release:early-access",
                "modules:echo"
            ]
        );
        assert!(first.images.iter().all(|image| !image.unchanged));
        let again = publish(&publication(&one, "1.0.0"), &target, &|_| {})
            .await
            .unwrap();
        assert!(again.images.iter().all(|image| image.unchanged));

        let other = module("other");
        let error = publish(&publication(&other, "1.0.0"), &target, &|_| {})
            .await
            .unwrap_err();
        let digest = &first.images[0].digest;
        assert_eq!(
            error.to_string(),
            format!(
                "\"modules/echo:v1.0.0\" exists with other content ({digest}): publish a new version, or say --overwrite"
            )
        );
        let forced = Publication {
            overwrite: true,
            ..publication(&other, "1.0.0")
        };
        publish(&forced, &target, &|_| {}).await.unwrap();
    }

    #[tokio::test]
    async fn refuses_what_sources_could_not_find() {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::Layout {
            layout: Layout::create(dir.path()).unwrap(),
            path: "modules".into(),
        };
        let good = module("x");
        let mut bad = publication(&good, "1.0.0");
        bad.channels = vec!["EarlyAccess".into()];
        let error = publish(&bad, &target, &|_| {}).await.unwrap_err().to_string();
        assert!(error.starts_with("channel \"EarlyAccess\" is unknown"), "{error}");
        let error = publish(&publication(&good, "1.0.0+b"), &target, &|_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("leave out what follows the +"), "{error}");
        std::fs::write(good.path().join("module.yaml"), "weight: 1\n").unwrap();
        let error = publish(&publication(&good, "1.0.0"), &target, &|_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(error.starts_with("module.yaml: name: required"), "{error}");
        std::fs::remove_file(good.path().join("module.yaml")).unwrap();
        let error = publish(&publication(&good, "1.0.0"), &target, &|_| {})
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("a module's folder has a module.yaml that names it"),
            "{error}"
        );
    }
}
