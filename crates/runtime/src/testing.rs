//! What the tests of this crate share.

use std::path::Path;

/// Compares a generated file with the committed one; with the variable `UPDATE` set, writes it instead.
pub(crate) fn in_sync(path: &Path, generated: &str) {
    if std::env::vars_os().any(|(name, _)| name == "UPDATE") {
        let folder = path.parent().expect("a file has a folder");
        std::fs::create_dir_all(folder).expect("the folder can be made");
        std::fs::write(path, generated).expect("the file can be written");
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == generated,
        "{} is not what the code generates; run UPDATE=1 cargo test -p runtime",
        path.display()
    );
}
