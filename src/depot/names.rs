//! Names of folders and links.

use std::fmt;

use super::error::StoreError;

/// Hex digits of an image's digest in the name of an override's folder (rule DISK-1).
const PREFIX: usize = 12;

/// Which version of a module: the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VersionKey {
    /// A release: `v<version>`.
    Release(semver::Version),
    /// An override: `dev-<first 12 hex digits of the image's digest>`, made by [`VersionKey::dev`].
    Dev(String),
}

impl VersionKey {
    /// The key of an override's image.
    ///
    /// # Errors
    /// [`StoreError::DigestForm`] for anything but `sha256:` and 64 lower-case hex digits.
    pub fn dev(digest: &str) -> Result<Self, StoreError> {
        Ok(Self::Dev(hex(digest)?[..PREFIX].to_owned()))
    }

    /// The folder's name within the module's folder.
    pub fn folder(&self) -> String {
        self.to_string()
    }

    /// The reverse of [`VersionKey::folder`]; `None` for names that are no version's folder.
    pub fn from_folder(name: &str) -> Option<Self> {
        if let Some(digits) = name.strip_prefix("dev-") {
            return (digits.len() == PREFIX && is_hex(digits)).then(|| Self::Dev(digits.to_owned()));
        }
        semver::Version::parse(name.strip_prefix('v')?)
            .ok()
            .map(Self::Release)
    }
}

impl fmt::Display for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(version) => write!(f, "v{version}"),
            Self::Dev(digits) => write!(f, "dev-{digits}"),
        }
    }
}

/// The 64 hex digits of a sha256 digest.
pub(super) fn hex(digest: &str) -> Result<&str, StoreError> {
    digest
        .strip_prefix("sha256:")
        .filter(|hex| hex.len() == 64 && is_hex(hex))
        .ok_or_else(|| StoreError::DigestForm {
            digest: super::error::shown(digest.as_bytes()),
        })
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether the name may be a module's folder: an RFC 1123 label that is not the folder of the links.
pub(super) fn check_module(name: &str) -> Result<(), StoreError> {
    let letters = name
        .bytes()
        .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    let edges = !name.starts_with('-') && !name.ends_with('-');
    if (1..=63).contains(&name.len()) && letters && edges && name != LINKS {
        return Ok(());
    }
    Err(StoreError::ModuleName {
        name: super::error::shown(name.as_bytes()),
    })
}

/// Folder of the links to the active modules, inside the depot's folder (rule DISK-1).
pub(super) const LINKS: &str = "modules";
/// Prefix of a folder or link that is being made.
pub(super) const NEW: &str = ".new-";
/// Prefix of a folder that is being removed.
pub(super) const OLD: &str = ".old-";
/// Prefix of a list of files and digests.
pub(super) const LIST: &str = ".list-";

/// Name of the list that belongs to a folder unpacked from this image.
pub(super) fn list_name(folder: &str, digest: &str) -> Result<String, StoreError> {
    Ok(format!("{LIST}{folder}-{}", &hex(digest)?[..PREFIX]))
}

/// The folder that a list belongs to.
pub(super) fn list_folder(list: &str) -> Option<&str> {
    let (folder, digits) = list.strip_prefix(LIST)?.rsplit_once('-')?;
    (digits.len() == PREFIX && is_hex(digits)).then_some(folder)
}

/// Name of the link of a module: `<weight>-<module>`.
pub(super) fn link_name(weight: u32, module: &str) -> String {
    format!("{weight}-{module}")
}

/// The reverse of [`link_name`].
pub(super) fn parse_link(name: &str) -> Option<(u32, &str)> {
    let (weight, module) = name.split_once('-')?;
    let number: u32 = weight.parse().ok()?;
    (number.to_string() == weight && check_module(module).is_ok()).then_some((number, module))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn keys_survive_the_way_through_a_folder_name() {
        for key in [
            VersionKey::Release(semver::Version::new(1, 2, 3)),
            VersionKey::Release(semver::Version::parse("1.2.3-alpha.1+b").unwrap()),
            VersionKey::dev(DIGEST).unwrap(),
        ] {
            assert_eq!(VersionKey::from_folder(&key.folder()), Some(key.clone()));
            let list = list_name(&key.folder(), DIGEST).unwrap();
            assert_eq!(list_folder(&list), Some(key.folder().as_str()));
        }
        assert_eq!(VersionKey::dev(DIGEST).unwrap().folder(), "dev-0123456789ab");
    }

    #[test]
    fn strange_folders_are_no_versions() {
        for name in [
            "",
            "v",
            "v1",
            "1.2.3",
            "dev-",
            "dev-0123456789AB",
            "dev-0123456789abc",
            "lost+found",
            ".v1.2.3",
        ] {
            assert_eq!(VersionKey::from_folder(name), None, "{name}");
        }
    }

    #[test]
    fn rejects_names_that_would_not_be_a_folder_of_their_own() {
        for name in [
            "",
            "modules",
            "..",
            "a/b",
            "A",
            "-a",
            "a-",
            ".hidden",
            &"a".repeat(64),
        ] {
            assert!(check_module(name).is_err(), "{name}");
        }
        assert!(check_module("cni-cilium2").is_ok());
    }

    #[test]
    fn rejects_digests_of_another_form() {
        for digest in ["", "sha256:", "sha512:00", &DIGEST.to_uppercase(), &DIGEST[..70]] {
            assert!(VersionKey::dev(digest).is_err(), "{digest}");
        }
    }

    #[test]
    fn link_names_hold_weight_and_module() {
        assert_eq!(parse_link(&link_name(900, "a-b")), Some((900, "a-b")));
        assert_eq!(parse_link("5-1-x"), Some((5, "1-x")));
        for name in ["900", "-a", "007-a", "+5-a", "900-", "900-A", ".new-abc"] {
            assert_eq!(parse_link(name), None, "{name}");
        }
    }
}
