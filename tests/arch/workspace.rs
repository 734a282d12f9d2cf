//! What the tests look at: the workspace's own packages and their declared dependencies.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// A package that exists to test the others; it may see whatever it tests.
pub(crate) const TEST_PACKAGES: &[&str] = &["arch", "e2e"];

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository's root exists")
}

/// The workspace as declared, without resolving third-party crates (so that it works offline). Read once.
pub(crate) fn metadata() -> &'static Metadata {
    static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
        MetadataCommand::new()
            .manifest_path(root().join("Cargo.toml"))
            .no_deps()
            .exec()
            .expect("cargo can read the workspace")
    });
    &METADATA
}

/// A dependency that ends up in what we ship: normal or build, optional or not.
pub(crate) fn shipped_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development).map(|d| d.name.as_str())
}

/// Fails with every violation, one a line, after a sentence that says what is wrong and what to do.
pub(crate) fn refuse(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}\n  {}\n", violations.join("\n  "));
}
