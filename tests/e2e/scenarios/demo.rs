//! The demo is a test of itself: it fails when something that it tells does not come about.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::deployment::binary;

#[test]
fn the_demo_tells_its_story_from_an_empty_folder() {
    let folder = TempDir::with_prefix("drumbeat-demo-").unwrap();

    let demo = Command::new(binary())
        .arg("demo")
        .current_dir(folder.path())
        // A configuration of the person who runs it leads the demo nowhere else.
        .env("DRUMBEAT__BUS__KIND", "kafka")
        .stdin(Stdio::null())
        .output()
        .unwrap();

    let told = String::from_utf8_lossy(&demo.stdout);
    assert_eq!(demo.status.code(), Some(0), "{told}\n{}", String::from_utf8_lossy(&demo.stderr));
    for part in [
        "202 accepted",
        "401 wrong signature",
        "quarantine: no_subject",
        "withdrawn: replied",
        "saw \"opt_out\"",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
}

#[test]
fn the_demo_wipes_no_folder_that_it_did_not_make() {
    let folder = TempDir::with_prefix("drumbeat-demo-").unwrap();
    let precious = folder.path().join("drumbeat-data/demo/precious");
    std::fs::create_dir_all(precious.parent().unwrap()).unwrap();
    std::fs::write(&precious, "mine").unwrap();

    let demo = Command::new(binary()).arg("demo").current_dir(folder.path()).output().unwrap();

    assert_eq!(demo.status.code(), Some(1));
    assert_eq!(std::fs::read_to_string(&precious).unwrap(), "mine");
}
