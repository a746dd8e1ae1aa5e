//! A source as people see it: modules, releases, versions (rules REG-1 and REG-2).

use oci_spec::image::Digest;
use semver::Version;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::blob::PullError;
use super::client::Client;
use super::definition::{ModuleDefinition, ReadDefinitionError};
use super::error::RequestError;
use super::manifest::Resolved;
use super::repository::{Name, Repository};
use crate::archive::{Listed, ReadError};
use crate::values::ModuleName;

/// What a source offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Names of modules, sorted.
    pub modules: Vec<String>,
    /// Tags that are no module names, as they came; for a warning.
    pub skipped: Vec<String>,
}

/// The image of a version or channel: what it says of the release.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseImage {
    /// What the tag stands for.
    pub digest: Digest,
    /// The version, without `v`.
    pub version: Version,
    /// `changelog.yaml`, where there is one that can be read.
    pub changelog: Option<Map<String, Value>>,
    /// `module.yaml`, where there is one.
    pub definition: Option<ModuleDefinition>,
    /// What was passed over because nothing depends on it.
    pub warnings: Vec<String>,
}

/// An image could not be fetched, or does not say what it has to.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The registry did not give its manifest (rule REG-4).
    #[error("fetch image error")]
    Request(#[from] RequestError),
    /// Its layers cannot be read.
    #[error("fetch image error")]
    Read(#[from] ReadError),
    /// A release image without `version.json`, or one without a version (rule REG-2).
    #[error("metadata malformed: no version found")]
    NoVersion,
    /// A `version.json` that is none.
    #[error("metadata malformed: version.json: {0}")]
    Version(String),
    /// A `module.yaml` that cannot be used.
    #[error("metadata malformed")]
    Definition(#[from] ReadDefinitionError),
    /// A file that is needed is not there.
    #[error("\"{reference}\" holds no {file}")]
    Missing {
        /// The image.
        reference: String,
        /// The file.
        file: &'static str,
    },
    /// A file that is needed is not what it should be.
    #[error("\"{reference}\": {file}: {reason}")]
    Malformed {
        /// The image.
        reference: String,
        /// The file.
        file: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl FetchError {
    /// The registry's request to wait, where that is why (rule REG-7): it is the source's trouble, not the module's.
    pub fn wait_until(&self) -> Option<jiff::Timestamp> {
        match self {
            Self::Request(error) => error.wait_until(),
            Self::Read(ReadError::Stream { source, .. }) => source.downcast_ref::<PullError>()?.wait_until(),
            _ => None,
        }
    }
}

impl Client {
    /// The repository that lists the modules.
    pub fn root(&self) -> Repository {
        self.repository(self.source().path.clone())
    }

    /// The repository of a module's images.
    pub fn module(&self, module: &str) -> Repository {
        self.repository(self.source().module_path(module))
    }

    /// The repository of a module's release images.
    pub fn releases(&self, module: &str) -> Repository {
        self.repository(self.source().release_path(module))
    }

    /// The source's modules: the tags of its repository (rule REG-1).
    pub async fn modules(&self) -> Result<Listing, RequestError> {
        let (mut modules, skipped): (Vec<_>, Vec<_>) = self
            .root()
            .tags()
            .await?
            .into_iter()
            .partition(|tag| ModuleName::parse(tag).is_ok());
        modules.sort_unstable();
        Ok(Listing { modules, skipped })
    }

    /// Reads the release image of a channel or version.
    pub async fn release(&self, module: &str, name: &Name) -> Result<ReleaseImage, FetchError> {
        let repository = self.releases(module);
        let image = repository.resolve(name).await?;
        read_release(&repository, name, image).await
    }

    /// All entries of an image.
    pub async fn files(&self, module: &str, name: &Name) -> Result<Vec<Listed>, FetchError> {
        let repository = self.module(module);
        let image = repository.resolve(name).await?;
        Ok(repository.list(name, &image).await?)
    }

    /// `images_digests.json` of a module image: the images of its containers.
    pub async fn images_digests(&self, module: &str, name: &Name) -> Result<Map<String, Value>, FetchError> {
        const FILE: &str = "images_digests.json";
        let repository = self.module(module);
        let image = repository.resolve(name).await?;
        let files = repository.extract(name, &image, &[FILE]).await?;
        let reference = repository.reference(name);
        let Some(bytes) = files.get(FILE) else {
            return Err(FetchError::Missing {
                reference,
                file: FILE,
            });
        };
        serde_json::from_slice(bytes).map_err(|error| FetchError::Malformed {
            reference,
            file: FILE,
            reason: error.to_string(),
        })
    }
}

/// Reads a release image that is already resolved.
pub async fn read_release(
    repository: &Repository,
    name: &Name,
    image: Resolved,
) -> Result<ReleaseImage, FetchError> {
    let mut files = repository
        .extract(name, &image, &["version.json", "changelog.yaml", "module.yaml"])
        .await?;
    let version = read_version(files.get("version.json").map(Vec::as_slice))?;
    let mut warnings = Vec::new();
    let changelog = files
        .remove("changelog.yaml")
        .and_then(|bytes| match read_changelog(&bytes) {
            Ok(changelog) => changelog,
            Err(reason) => {
                warnings.push(format!("changelog.yaml is passed over: {reason}"));
                None
            }
        });
    let definition = files
        .get("module.yaml")
        .map(|bytes| ModuleDefinition::parse(bytes))
        .transpose()?;
    Ok(ReleaseImage {
        digest: image.digest,
        version,
        changelog,
        definition,
        warnings,
    })
}

/// Reads a version with or without its `v`.
pub fn parse_version(text: &str) -> Result<Version, semver::Error> {
    Version::parse(text.strip_prefix('v').unwrap_or(text))
}

/// Reads a `version.json`.
pub(crate) fn read_version(bytes: Option<&[u8]>) -> Result<Version, FetchError> {
    #[derive(Deserialize)]
    struct VersionJson {
        version: Option<String>,
    }
    let bytes = bytes.ok_or(FetchError::NoVersion)?;
    let read: VersionJson =
        serde_json::from_slice(bytes).map_err(|error| FetchError::Version(error.to_string()))?;
    let text = read
        .version
        .filter(|text| !text.is_empty())
        .ok_or(FetchError::NoVersion)?;
    parse_version(&text).map_err(|error| FetchError::Version(format!("\"{text}\" is no version: {error}")))
}

fn read_changelog(bytes: &[u8]) -> Result<Option<Map<String, Value>>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    match serde_saphyr::from_str(text) {
        Ok(Value::Null) => Ok(None),
        Ok(Value::Object(map)) => Ok(Some(map)),
        Ok(_) => Err("it is no map".to_owned()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_versions() {
        for (json, expected) in [
            (Some(r#"{"version":"v1.2.3"}"#), "1.2.3"),
            (Some(r#"{"version":"1.2.3-rc.1","other":[]}"#), "1.2.3-rc.1"),
            (None, "metadata malformed: no version found"),
            (Some("{}"), "metadata malformed: no version found"),
            (Some(r#"{"version":""}"#), "metadata malformed: no version found"),
            (
                Some(r#"{"version":null}"#),
                "metadata malformed: no version found",
            ),
            (
                Some(r#"{"version":"v1.2"}"#),
                "metadata malformed: version.json: \"v1.2\" is no version: ",
            ),
            (Some(r#"{"version":12}"#), "metadata malformed: version.json: "),
            (Some(""), "metadata malformed: version.json: "),
        ] {
            let read = match read_version(json.map(str::as_bytes)) {
                Ok(version) => version.to_string(),
                Err(error) => error.to_string(),
            };
            assert!(read.starts_with(expected), "{json:?}: {read}");
        }
    }

    #[test]
    fn passes_over_a_changelog_that_is_none() {
        assert_eq!(read_changelog(b"").unwrap(), None);
        assert_eq!(read_changelog(b"features: [a]").unwrap().unwrap().len(), 1);
        read_changelog(b"- a").unwrap_err();
        read_changelog(b"a: [").unwrap_err();
    }
}
