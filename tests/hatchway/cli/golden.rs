//! Files that hold what a command prints. `UPDATE_GOLDEN=1 cargo test` writes them anew; git shows what changed.

use super::root;

/// Compares with the file, or writes it.
pub(crate) fn golden(file: &str, text: &str) {
    let path = root(file);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "{file} is not what is printed now; look at the difference, then run with UPDATE_GOLDEN=1\n{text}"
    );
}
