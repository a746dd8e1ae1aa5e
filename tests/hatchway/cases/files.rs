//! The files of cases: reading them, and writing verdicts into them without touching the rest.

use super::case::Case;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

fn path(file: &str) -> PathBuf {
    folder().join(format!("{file}.yaml"))
}

/// The names of all files of cases.
pub(super) fn all() -> BTreeSet<String> {
    names(&folder())
}

/// The names of all files of a folder, without their endings.
pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

pub(super) fn read(file: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(path(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}.yaml: {error}"))
}

/// Puts the verdicts, in order, in the place of those that are there.
pub(super) fn write(file: &str, verdicts: &[String]) {
    write_into(&path(file), verdicts);
}

/// The same in any file whose cases stand like these.
pub(crate) fn write_into(path: &Path, verdicts: &[String]) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut verdicts = verdicts.iter();
    let mut written = String::new();
    let mut skipping = false;
    let mut open = false;
    for line in text.lines() {
        let ends = line.is_empty() || line.starts_with('#') || line.starts_with("- name:");
        if ends && open {
            written.push_str("  verdict:\n");
            written.push_str(verdicts.next().unwrap());
            open = false;
        }
        skipping = !ends && (skipping || line.starts_with("  verdict:"));
        open |= line.starts_with("- name:");
        if !skipping {
            written.push_str(line);
            written.push('\n');
        }
    }
    if open {
        written.push_str("  verdict:\n");
        written.push_str(verdicts.next().unwrap());
    }
    assert_eq!(verdicts.next(), None);
    std::fs::write(path, written).unwrap();
}
