//! Which third-party crates stay behind which of ours. `deny.toml` holds the widest of these for the whole dependency
//! tree; this test says it for our own manifests, in terms of our own crates.

use std::collections::BTreeSet;

use crate::workspace::{TEST_PACKAGES, metadata, refuse, shipped_dependencies};

/// A third-party crate and the only crates of ours that may name it. `testkit` builds fake servers and databases and
/// never ships.
const FENCES: &[(&str, &[&str])] = &[
    ("sea-orm", &["store", "migration", "testkit"]),
    ("sea-orm-migration", &["migration", "testkit"]),
    ("sqlx", &["store", "testkit"]),
    ("rdkafka", &["bus", "testkit"]),
    ("rusqlite", &["bus"]),
    ("reqwest", &["egress"]),
    // The binary reads the server's type where it wires ingest and the admin port.
    ("actix-web", &["ingest", "console", "runtime", "drumbeat", "testkit"]),
    ("prost", &["contracts"]),
    ("prost-build", &["contracts"]),
    ("cel", &["domain"]),
    ("minijinja", &["domain", "crm"]),
    ("granit-parser", &["manifest"]),
    ("config", &["runtime"]),
    ("opentelemetry-otlp", &["runtime"]),
    ("clap", &["drumbeat"]),
    ("fail", &["bus", "store", "enrollment", "dispatcher", "drumbeat"]),
    ("anyhow", &["drumbeat"]),
];

/// What a pure crate must not be able to do: wait, draw, or talk.
const IMPURE: &[&str] = &[
    "actix-web",
    "async-trait",
    "backon",
    "fail",
    "futures",
    "governor",
    "opentelemetry",
    "rand",
    "rdkafka",
    "reqwest",
    "rusqlite",
    "sea-orm",
    "tokio",
    "tokio-util",
];

/// Crates whose functions answer from their arguments alone.
const PURE: &[&str] = &["domain", "manifest", "contracts", "webhooks"];

#[test]
fn third_party_crates_stay_behind_their_fences() {
    let metadata = metadata();

    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if TEST_PACKAGES.contains(&name) {
            continue;
        }
        for (fenced, inside) in FENCES {
            if shipped_dependencies(package).any(|d| d == *fenced) && !inside.contains(&name) {
                violations.push(format!("{name} -> {fenced}   (only {})", inside.join(", ")));
            }
        }
    }

    refuse(&violations, "these crates reach over a fence; use the port or crate that owns it:");
}

#[test]
fn pure_crates_have_no_means_to_be_impure() {
    let metadata = metadata();

    let mut violations = Vec::new();
    for package in metadata.packages.iter().filter(|p| PURE.contains(&p.name.as_str())) {
        for dependency in shipped_dependencies(package).filter(|d| IMPURE.contains(d)) {
            violations.push(format!("{} -> {dependency}", package.name));
        }
    }

    refuse(&violations, "these crates are pure: no async, no input or output, no clock, no randomness:");
}

#[test]
fn every_shipped_package_takes_the_workspace_lints() {
    let metadata = metadata();

    let violations: Vec<String> = metadata
        .packages
        .iter()
        .filter(|package| {
            let manifest = std::fs::read_to_string(&package.manifest_path).expect("cargo has just read it");
            !manifest.contains("[lints]\nworkspace = true")
        })
        .map(|package| package.manifest_path.to_string())
        .collect();

    refuse(&violations, "these manifests lack `[lints]` with `workspace = true`:");
}

#[test]
fn third_party_versions_are_named_once_at_the_root() {
    let metadata = metadata();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();

    let mut violations = Vec::new();
    for package in &metadata.packages {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("cargo has just read it");
        for dependency in package.dependencies.iter().filter(|d| !ours.contains(d.name.as_str())) {
            let named = dependency.rename.as_deref().unwrap_or(&dependency.name);
            let from_workspace = manifest.lines().any(|line| {
                line.trim_start().strip_prefix(named).is_some_and(|rest| {
                    let rest = rest.trim_start();
                    rest.starts_with(".workspace")
                        || (rest.starts_with('=') && rest.contains("workspace = true"))
                })
            });
            if !from_workspace {
                violations.push(format!("{named} in {}", package.manifest_path));
            }
        }
    }

    refuse(&violations, "take these from the root's [workspace.dependencies] (`name.workspace = true`):");
}
