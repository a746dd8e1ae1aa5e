//! From what objects and files say about a registry to what a client needs.

use super::endpoint::{Credentials, Scheme, Secret, Source};
use crate::api;
use crate::values::{self, DockerConfig, ParseDockerConfigError, ParseRepositoryError, Repository};

/// A ModuleSource's registry cannot be talked to as it is written (rule SRC-1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Rule MS-1.
    #[error("spec.registry.repo")]
    Repo(#[from] ParseRepositoryError),
    /// Rule MS-2.
    #[error("spec.registry.dockerCfg")]
    DockerConfig(#[from] ParseDockerConfigError),
    /// Rule MS-2: a config that has nothing to say about this registry is a mistake, not a wish to be anonymous.
    #[error("spec.registry.dockerCfg: \"{repo}\" credentials not found in the dockerCfg")]
    NoCredentials {
        /// The repository.
        repo: String,
    },
}

impl Source {
    /// A repository by its address, anonymous.
    pub fn at(repository: &Repository, scheme: Scheme) -> Self {
        Self::new(scheme, repository.host(), repository.path())
    }

    /// The registry of a ModuleSource; an empty `ca` or `dockerCfg` is none.
    ///
    /// # Errors
    /// [`SourceError`], by field.
    pub fn of(registry: &api::Registry) -> Result<Self, SourceError> {
        let repository = Repository::parse(&registry.repo)?;
        let filled = |text: &Option<String>| text.clone().filter(|text| !text.trim().is_empty());
        let mut source = Self::at(&repository, registry.scheme.unwrap_or_default().into());
        source.ca = filled(&registry.ca);
        if let Some(text) = filled(&registry.docker_cfg) {
            let config = DockerConfig::parse(&text)?;
            let credentials =
                config
                    .credentials_for(repository.host())
                    .ok_or_else(|| SourceError::NoCredentials {
                        repo: registry.repo.clone(),
                    })?;
            source.credentials = Some(credentials.into());
        }
        Ok(source)
    }
}

impl From<api::Scheme> for Scheme {
    fn from(scheme: api::Scheme) -> Self {
        match scheme {
            api::Scheme::Http => Self::Http,
            api::Scheme::Https => Self::Https,
        }
    }
}

impl From<&values::Credentials> for Credentials {
    fn from(credentials: &values::Credentials) -> Self {
        match credentials {
            values::Credentials::Basic { username, password } => Self::Basic {
                user: username.clone(),
                password: Secret::new(password),
            },
            values::Credentials::IdentityToken(token) => Self::IdentityToken(Secret::new(token)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(docker_cfg: Option<&str>) -> api::Registry {
        api::Registry {
            repo: "registry.example.com:5000/deckhouse/modules".to_owned(),
            docker_cfg: docker_cfg.map(ToOwned::to_owned),
            ca: Some(String::new()),
            ..api::Registry::default()
        }
    }

    #[test]
    fn reads_a_module_source() {
        let source = Source::of(&registry(None)).unwrap();
        assert_eq!(
            source,
            Source::new(Scheme::Https, "registry.example.com:5000", "deckhouse/modules")
        );
        let config = r#"{"auths":{"registry.example.com:5000":{"username":"u","password":"p"}}}"#;
        let source = Source::of(&registry(Some(config))).unwrap();
        let user = Credentials::Basic {
            user: "u".to_owned(),
            password: Secret::new("p"),
        };
        assert_eq!(source.credentials, Some(user));
    }

    #[test]
    fn tells_the_field_that_is_wrong() {
        let other = r#"{"auths":{"registry.example.com":{"identitytoken":"t"}}}"#;
        for (config, expected) in [
            ("{", "spec.registry.dockerCfg"),
            (
                other,
                "spec.registry.dockerCfg: \"registry.example.com:5000/deckhouse/modules\" credentials not found in the dockerCfg",
            ),
        ] {
            assert_eq!(
                Source::of(&registry(Some(config))).unwrap_err().to_string(),
                expected
            );
        }
        let mut broken = registry(None);
        broken.repo = "https://registry.example.com/m".to_owned();
        assert_eq!(Source::of(&broken).unwrap_err().to_string(), "spec.registry.repo");
    }
}
