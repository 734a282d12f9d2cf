//! Which of our crates may name which as a dependency.

use std::collections::{BTreeMap, BTreeSet};

use crate::workspace::{TEST_PACKAGES, metadata, refuse, shipped_dependencies};

/// Which of our crates a crate may see.
enum Sees {
    /// These and no others.
    Only(&'static [&'static str]),
    /// Every crate of ours but `testkit`: the binary, which alone builds adapters and hands them out as ports.
    AllButTestkit,
    /// Every crate of ours but the services: `testkit`.
    AllButServices,
}

/// The table of the design. A new crate needs a row.
const ARROWS: &[(&str, Sees)] = &[
    ("domain", Sees::Only(&[])),
    ("migration", Sees::Only(&[])),
    ("egress", Sees::Only(&[])),
    ("runtime", Sees::Only(&[])),
    ("manifest", Sees::Only(&["domain"])),
    ("ports", Sees::Only(&["domain"])),
    ("contracts", Sees::Only(&["domain"])),
    ("webhooks", Sees::Only(&["domain"])),
    ("engine", Sees::Only(&["domain", "manifest", "ports"])),
    ("store", Sees::Only(&["domain", "ports", "contracts", "migration"])),
    ("bus", Sees::Only(&["domain", "ports", "contracts"])),
    ("crm", Sees::Only(&["domain", "ports", "egress"])),
    ("ingest", Sees::Only(&["domain", "ports", "contracts", "webhooks", "runtime"])),
    ("enrollment", Sees::Only(&["domain", "ports", "contracts", "engine", "runtime"])),
    ("dispatcher", Sees::Only(&["domain", "ports", "contracts", "engine", "runtime"])),
    ("console", Sees::Only(&["domain", "ports", "contracts", "engine", "runtime", "manifest", "webhooks"])),
    ("drumbeat", Sees::AllButTestkit),
    ("testkit", Sees::AllButServices),
];

/// Libraries with a `run(config, deps, shutdown)`; only the binary starts them.
const SERVICES: &[&str] = &["ingest", "enrollment", "dispatcher", "console", "drumbeat"];

/// Rows whose crate is designed but not written yet.
const NOT_YET_WRITTEN: &[&str] = &["console"];

fn allows(sees: &Sees, target: &str) -> bool {
    match sees {
        Sees::Only(names) => names.contains(&target),
        Sees::AllButTestkit => target != "testkit",
        Sees::AllButServices => !SERVICES.contains(&target),
    }
}

#[test]
fn crates_depend_only_along_the_arrows() {
    let metadata = metadata();
    let table: BTreeMap<&str, &Sees> = ARROWS.iter().map(|(name, sees)| (*name, sees)).collect();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();

    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(sees) = table.get(name) else { continue };
        for target in shipped_dependencies(package).filter(|d| ours.contains(d)) {
            if !allows(sees, target) {
                violations.push(format!("{name} -> {target}   (in {})", package.manifest_path));
            }
        }
    }

    refuse(
        &violations,
        "these dependencies are no arrows of the architecture; go through a port, or move the code:",
    );
}

#[test]
fn every_crate_has_a_row_in_the_table() {
    let metadata = metadata();
    let rows: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    let ours: BTreeSet<&str> = metadata.packages.iter().map(|p| p.name.as_str()).collect();

    let unknown: Vec<String> = ours
        .iter()
        .filter(|n| !rows.contains(**n) && !TEST_PACKAGES.contains(n))
        .map(ToString::to_string)
        .collect();
    let gone: Vec<String> = rows
        .iter()
        .filter(|n| !ours.contains(**n) && !NOT_YET_WRITTEN.contains(n))
        .map(ToString::to_string)
        .collect();

    refuse(&unknown, "these crates have no row in ARROWS; say there what they may see:");
    refuse(&gone, "these rows of ARROWS name crates that do not exist:");
}

#[test]
fn testkit_is_only_ever_a_dev_dependency() {
    let metadata = metadata();

    let violations: Vec<String> = metadata
        .packages
        .iter()
        .filter(|p| !TEST_PACKAGES.contains(&p.name.as_str()))
        .filter(|p| shipped_dependencies(p).any(|d| d == "testkit"))
        .map(|p| format!("{} -> testkit   (in {})", p.name, p.manifest_path))
        .collect();

    refuse(&violations, "testkit must not ship; name it under [dev-dependencies]:");
}

#[test]
fn no_service_is_seen_but_by_the_binary() {
    let metadata = metadata();

    let mut violations = Vec::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        if name == "drumbeat" || TEST_PACKAGES.contains(&name) {
            continue;
        }
        for dependency in &package.dependencies {
            if SERVICES.contains(&dependency.name.as_str()) {
                violations.push(format!("{name} -> {} ({} dependency)", dependency.name, dependency.kind));
            }
        }
    }

    refuse(&violations, "services are started by the binary alone and do not see each other:");
}

#[test]
fn the_table_tells_an_arrow_from_a_shortcut() {
    let sees = |name: &str| &ARROWS.iter().find(|(row, _)| *row == name).expect("the row exists").1;

    assert!(allows(sees("engine"), "ports"));
    assert!(!allows(sees("engine"), "store"), "the engine reaches the store through its port");
    assert!(!allows(sees("ingest"), "store"), "ingest has no database");
    assert!(!allows(sees("drumbeat"), "testkit"));
    assert!(!allows(sees("testkit"), "ingest"));
}
