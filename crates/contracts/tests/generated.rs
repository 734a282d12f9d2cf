//! The committed code is what the schema says.

use std::fs;
use std::path::{Path, PathBuf};

const GENERATED: &str = "drumbeat.event.v1.rs";

fn schema_files(schema: &Path) -> Vec<PathBuf> {
    let folder = schema.join("drumbeat/event/v1");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the schema's folder is there")
        .map(|entry| entry.expect("the schema's folder is readable").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "proto"))
        .map(|path| path.strip_prefix(schema).expect("it was found there").to_path_buf())
        .collect();
    files.sort();
    files
}

fn generate() -> String {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto");
    let descriptors = protox::compile(schema_files(&schema), [&schema]).expect("the schema compiles");
    let out = tempfile::tempdir().expect("a temporary folder can be made");
    prost_build::Config::new()
        // Sorted maps: the same value always has the same bytes.
        .btree_map(["."])
        .bytes([
            ".drumbeat.event.v1.Quarantined.body",
            ".drumbeat.event.v1.DeadLetter",
            ".drumbeat.event.v1.Waiting.outcome",
            ".drumbeat.event.v1.Waiting.Written.payload",
        ])
        .enable_type_names()
        .out_dir(out.path())
        .compile_fds(descriptors)
        .expect("code can be generated");
    fs::read_to_string(out.path().join(GENERATED)).expect("the package has one file")
}

#[test]
fn generated_code_is_in_sync() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated").join(GENERATED);
    let fresh = generate();

    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs::create_dir_all(committed.parent().expect("it lies in a folder")).expect("the folder can be made");
        fs::write(&committed, &fresh).expect("the file can be written");
    }

    let there = fs::read_to_string(&committed).unwrap_or_default();
    assert!(
        there == fresh,
        "{} is not what proto/ says; write it anew with `UPDATE=1 cargo test -p contracts --test generated`",
        committed.display()
    );
}
