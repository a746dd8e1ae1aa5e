//! Where credentials come from: docker's `config.json`.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use crate::registry::Credentials;
use crate::values::{DockerConfig, ParseDockerConfigError};

/// Name of the file in docker's folder.
const FILE: &str = "config.json";

/// Which file it is, and who says so.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// `--docker-config` or `DOCKER_CONFIG`: whoever names it wants it.
    Named(PathBuf),
    /// Docker's own, where it may be missing.
    Usual(PathBuf),
    /// There is no home.
    Nowhere,
}

/// The credentials for a host; none when docker's own file is missing or says nothing of the host. A file that cannot
/// be read or understood is an error that names it: who has credentials must not be anonymous by accident.
pub(super) fn credentials(flag: Option<&Path>, host: &str) -> anyhow::Result<Option<Credentials>> {
    let place = place(flag, std::env::var_os("DOCKER_CONFIG"), std::env::var_os("HOME"));
    let (path, may_be_missing) = match &place {
        Place::Named(path) => (path, false),
        Place::Usual(path) => (path, true),
        Place::Nowhere => return Ok(None),
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if may_be_missing && error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error)
                .with_context(|| format!("cannot read the docker config \"{}\"", path.display()));
        }
    };
    read(&text, host).map_err(|error| anyhow!("\"{}\" is {error}", path.display()))
}

fn read(text: &str, host: &str) -> Result<Option<Credentials>, ParseDockerConfigError> {
    match DockerConfig::parse(text) {
        Ok(config) => Ok(config.credentials_for(host).map(Into::into)),
        // Docker keeps other settings in the same file, and they may be all that there is.
        Err(ParseDockerConfigError::NoAuths) => Ok(None),
        Err(error) => Err(error),
    }
}

fn place(flag: Option<&Path>, folder: Option<OsString>, home: Option<OsString>) -> Place {
    let set = |value: Option<OsString>| value.filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = flag {
        let path = if path.is_dir() {
            path.join(FILE)
        } else {
            path.to_owned()
        };
        return Place::Named(path);
    }
    if let Some(folder) = set(folder) {
        return Place::Named(folder.join(FILE));
    }
    set(home).map_or(Place::Nowhere, |home| {
        Place::Usual(home.join(".docker").join(FILE))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_goes_before_the_variable_before_the_home() {
        let some = |text: &str| Some(OsString::from(text));
        let place = |flag: Option<&str>, folder, home| super::place(flag.map(Path::new), folder, home);
        let named = |path: &str| Place::Named(path.into());
        assert_eq!(place(Some("x.json"), some("d"), some("h")), named("x.json"));
        assert_eq!(place(Some("."), None, None), named("./config.json"));
        assert_eq!(place(None, some("d"), some("h")), named("d/config.json"));
        let usual = Place::Usual("h/.docker/config.json".into());
        assert_eq!(place(None, some(""), some("h")), usual);
        assert_eq!(place(None, None, None), Place::Nowhere);
    }

    #[test]
    fn a_file_without_credentials_is_fine_and_a_helper_is_not() {
        let host = "registry.example.com";
        for text in ["{}", r#"{"auths":{}}"#, r#"{"psFormat":"x"}"#] {
            assert_eq!(read(text, host), Ok(None), "{text}");
        }
        for text in ["", "{", r#"{"credsStore":"desktop","auths":{}}"#] {
            read(text, host).unwrap_err();
        }
    }
}
