//! A module's own files, once it is on disk (rule REG-2): found and bounded here, understood by whoever asks.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

/// Bytes of one file. A schema of a large module has 100 KiB, `images_digests.json` of the platform 200 KiB.
const LARGEST: u64 = 4 << 20;
/// Conversions of one module; each is a step of its settings' versions.
const CONVERSIONS: usize = 1_000;

/// A file of a module could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadModuleError {
    /// The disk refused, or a link leads out of the module.
    #[error("cannot read \"{file}\" of the module in \"{}\"", dir.display())]
    Disk {
        /// The module's folder.
        dir: PathBuf,
        /// Path within it.
        file: String,
        /// What the system said.
        source: io::Error,
    },
    /// Larger than any such file has reason to be.
    #[error("\"{file}\" of the module in \"{}\" has more than {limit} bytes", dir.display())]
    TooLarge {
        /// The module's folder.
        dir: PathBuf,
        /// Path within it.
        file: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// Not text, or not what the file has to be.
    #[error("\"{file}\" of the module in \"{}\" is malformed: {why}", dir.display())]
    Malformed {
        /// The module's folder.
        dir: PathBuf,
        /// Path within it.
        file: String,
        /// What is wrong with it.
        why: String,
    },
}

/// The files of one module. Links are followed as far as they stay inside.
#[derive(Debug)]
pub struct ModuleFiles {
    dir: Dir,
    path: PathBuf,
}

impl ModuleFiles {
    /// Opens a module's folder; through an active link the version that is active now, also when it is switched later.
    ///
    /// # Errors
    /// [`ReadModuleError::Disk`] when it is not there.
    pub fn open(path: &Path) -> Result<Self, ReadModuleError> {
        let dir =
            Dir::open_ambient_dir(path, ambient_authority()).map_err(|source| ReadModuleError::Disk {
                dir: path.to_owned(),
                file: ".".to_owned(),
                source,
            })?;
        Ok(Self {
            dir,
            path: path.to_owned(),
        })
    }

    /// `module.yaml` as text.
    ///
    /// # Errors
    /// [`ReadModuleError`]; a module without one is `None`.
    pub fn module_yaml(&self) -> Result<Option<String>, ReadModuleError> {
        self.text("module.yaml")
    }

    /// The schema of the settings, `openapi/config-values.yaml`, as text.
    ///
    /// # Errors
    /// [`ReadModuleError`]; a module without one is `None`.
    pub fn config_values(&self) -> Result<Option<String>, ReadModuleError> {
        self.text("openapi/config-values.yaml")
    }

    /// The schema of the values, `openapi/values.yaml`, as text.
    ///
    /// # Errors
    /// [`ReadModuleError`]; a module without one is `None`.
    pub fn values(&self) -> Result<Option<String>, ReadModuleError> {
        self.text("openapi/values.yaml")
    }

    /// `openapi/conversions/v<n>.yaml` as text, by `n`. Other files there are passed over.
    ///
    /// # Errors
    /// [`ReadModuleError`].
    pub fn conversions(&self) -> Result<BTreeMap<u32, String>, ReadModuleError> {
        const FOLDER: &str = "openapi/conversions";
        let failed = |source| self.disk(FOLDER, source);
        let entries = match self.dir.read_dir(FOLDER) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(BTreeMap::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut found = BTreeMap::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(number) = name.to_str().and_then(conversion) else {
                continue;
            };
            let file = format!("{FOLDER}/v{number}.yaml");
            if let Some(text) = self.text(&file)? {
                found.insert(number, text);
            }
            if found.len() > CONVERSIONS {
                return Err(self.malformed(FOLDER, format!("more than {CONVERSIONS} conversions")));
            }
        }
        Ok(found)
    }

    /// `images_digests.json`: a JSON object, of images by name or, in the platform's own, of modules.
    ///
    /// # Errors
    /// [`ReadModuleError`]; a module without one is `None`.
    pub fn images_digests(
        &self,
    ) -> Result<Option<serde_json::Map<String, serde_json::Value>>, ReadModuleError> {
        const FILE: &str = "images_digests.json";
        let parse = |text: String| {
            serde_json::from_str(&text).map_err(|error| self.malformed(FILE, error.to_string()))
        };
        self.text(FILE)?.map(parse).transpose()
    }

    fn text(&self, file: &str) -> Result<Option<String>, ReadModuleError> {
        let mut content = Vec::new();
        match self
            .dir
            .open(file)
            .and_then(|open| open.take(LARGEST + 1).read_to_end(&mut content))
        {
            Ok(_) => {}
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(self.disk(file, error)),
        }
        if content.len() as u64 > LARGEST {
            return Err(ReadModuleError::TooLarge {
                dir: self.path.clone(),
                file: file.to_owned(),
                limit: LARGEST,
            });
        }
        match String::from_utf8(content) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(self.malformed(file, format!("it is not UTF-8: {error}"))),
        }
    }

    fn disk(&self, file: &str, source: io::Error) -> ReadModuleError {
        ReadModuleError::Disk {
            dir: self.path.clone(),
            file: file.to_owned(),
            source,
        }
    }

    fn malformed(&self, file: &str, why: String) -> ReadModuleError {
        ReadModuleError::Malformed {
            dir: self.path.clone(),
            file: file.to_owned(),
            why,
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// `7` of `v7.yaml`.
fn conversion(name: &str) -> Option<u32> {
    let digits = name.strip_prefix('v')?.strip_suffix(".yaml")?;
    let number: u32 = digits.parse().ok()?;
    (number.to_string() == digits).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module() -> (tempfile::TempDir, ModuleFiles) {
        let dir = tempfile::tempdir().unwrap();
        let files = ModuleFiles::open(dir.path()).unwrap();
        (dir, files)
    }

    #[test]
    fn reads_what_is_there_and_nothing_of_what_is_not() {
        let (dir, files) = module();
        assert_eq!(files.module_yaml().unwrap(), None);
        assert!(files.conversions().unwrap().is_empty());
        std::fs::create_dir_all(dir.path().join("openapi/conversions")).unwrap();
        for name in ["v2.yaml", "v10.yaml", "v03.yaml", "README.md", "v2.yaml.orig"] {
            std::fs::write(dir.path().join("openapi/conversions").join(name), name).unwrap();
        }
        std::fs::write(dir.path().join("module.yaml"), "name: a\n").unwrap();
        std::fs::write(dir.path().join("images_digests.json"), r#"{"web": "sha256:00"}"#).unwrap();
        assert_eq!(files.module_yaml().unwrap().as_deref(), Some("name: a\n"));
        assert_eq!(
            files.conversions().unwrap().into_keys().collect::<Vec<_>>(),
            [2, 10]
        );
        assert_eq!(files.images_digests().unwrap().unwrap()["web"], "sha256:00");
    }

    #[test]
    fn rejects_digests_that_are_no_object() {
        let (dir, files) = module();
        std::fs::write(dir.path().join("images_digests.json"), "[]").unwrap();
        assert!(matches!(
            files.images_digests(),
            Err(ReadModuleError::Malformed { .. })
        ));
    }

    #[test]
    fn a_link_out_of_the_module_is_not_followed() {
        let (dir, files) = module();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join("module.yaml")).unwrap();
        assert!(matches!(files.module_yaml(), Err(ReadModuleError::Disk { .. })));
    }

    #[test]
    fn rejects_a_file_without_bounds() {
        let (dir, files) = module();
        std::fs::File::create(dir.path().join("module.yaml"))
            .unwrap()
            .set_len(LARGEST + 1)
            .unwrap();
        assert!(matches!(
            files.module_yaml(),
            Err(ReadModuleError::TooLarge { .. })
        ));
    }
}
