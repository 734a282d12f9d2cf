//! How source files are named, sized and laid out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{refuse, root};

/// A file beyond this is two topics.
const MOST_LINES: usize = 500;

/// The binary's `main.rs` only wires.
const MOST_LINES_OF_MAIN: usize = 150;

/// Names that say nothing about what is inside.
const DRAWERS: &[&str] = &["util", "utils", "common", "helper", "helpers", "misc", "shared"];

/// A file that a tool writes says so near its top.
fn is_generated(text: &str) -> bool {
    text.lines().take(5).any(|line| line.contains("@generated"))
}

/// Every `.rs` file of the workspace, relative to the root, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = root();
    let mut found = Vec::new();
    for folder in ["crates", "services", "tests"] {
        collect(&root.join(folder), &mut found);
    }
    found.sort();
    assert!(found.len() > 20, "the walk over the sources found next to nothing under {}", root.display());
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a source file is readable UTF-8");
            (path.strip_prefix(&root).expect("it was found below the root").to_path_buf(), text)
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the folder is readable");
    for entry in entries {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, found);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn files_stay_readable_in_length() {
    let violations: Vec<String> = sources()
        .iter()
        .filter(|(_, text)| !is_generated(text))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();

    refuse(&violations, &format!("split these by topic; the limit is {MOST_LINES} lines:"));
}

#[test]
fn no_module_is_a_drawer() {
    let mut violations = Vec::new();
    for (path, _) in sources() {
        let stems = path.with_extension("");
        let drawer = stems
            .components()
            .filter_map(|part| part.as_os_str().to_str())
            .find(|part| DRAWERS.contains(part));
        if let Some(drawer) = drawer {
            violations.push(format!("{} ({drawer})", path.display()));
        }
    }

    refuse(&violations, "name these modules after what they hold:");
}

#[test]
fn lib_rs_is_a_table_of_contents() {
    // Items start in the first column; what follows them is indented.
    const ITEMS: &[&str] = &[
        "fn ",
        "async fn ",
        "const ",
        "static ",
        "struct ",
        "enum ",
        "trait ",
        "impl ",
        "impl<",
        "type ",
        "union ",
        "macro_rules!",
    ];

    let mut violations = Vec::new();
    for (path, text) in sources() {
        if path.file_name().is_none_or(|name| name != "lib.rs") {
            continue;
        }
        if !text.starts_with("//! ") {
            violations
                .push(format!("{}: does not begin with what the crate is for (`//! ...`)", path.display()));
        }
        for (number, line) in text.lines().enumerate() {
            let item = line.strip_prefix("pub ").or_else(|| line.strip_prefix("pub(crate) ")).unwrap_or(line);
            if ITEMS.iter().any(|start| item.starts_with(start)) {
                violations.push(format!("{}:{}: {line}", path.display(), number + 1));
            }
        }
    }

    refuse(&violations, "a lib.rs holds documentation, `mod` and `use` alone; move these into modules:");
}

#[test]
fn main_rs_only_wires() {
    let violations: Vec<String> = sources()
        .iter()
        .filter(|(path, _)| path.file_name().is_some_and(|name| name == "main.rs"))
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_LINES_OF_MAIN)
        .map(|(path, lines)| format!("{} has {lines} lines", path.display()))
        .collect();

    refuse(&violations, &format!("main.rs only wires; more than {MOST_LINES_OF_MAIN} lines is logic:"));
}

#[test]
fn no_lint_is_allowed_in_silence() {
    let mut violations = Vec::new();
    for (path, text) in sources() {
        // A module that several test programs share is not wholly used by each of them.
        let ships = path.components().any(|part| part.as_os_str() == "src");
        if is_generated(&text) || !ships {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if code.starts_with("#[allow(") || code.starts_with("#![allow(") {
                violations.push(format!("{}:{}: {code}", path.display(), number + 1));
            }
        }
    }

    refuse(
        &violations,
        "use `#[expect(lint, reason = \"...\")]`, which says why and reports when it is no longer needed:",
    );
}
