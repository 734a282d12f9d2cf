//! The shipped examples load, are found fault with nowhere, and come back as they were written.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::catalog::Standing;
use domain::id::{VersionId, Workspace};
use manifest::{Content, Kind, Known, Source, Stored, Version, compile, content, load, parse};

fn files() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut paths: Vec<PathBuf> = ["cadences", "templates", "calendars", "segments"]
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).expect("the examples are there"))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| std::fs::read_to_string(path).expect("a readable file");
    paths.iter().map(|path| Source::new(path.display().to_string(), read(path))).collect()
}

#[test]
fn the_examples_are_found_fault_with_nowhere() {
    let loaded = load(&files(), &Known::new().connectors(Vec::<String>::new()));

    let findings: Vec<_> = loaded.diagnostics.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n\n"));
    let cadences: BTreeSet<_> = loaded
        .documents
        .iter()
        .filter(|one| one.kind == Kind::Cadence)
        .map(|one| one.name.as_str())
        .collect();
    let expected = [
        "closed-lost",
        "cold-outbound-21d",
        "content-download",
        "inbound-demo",
        "re-engagement",
        "webinar-follow-up",
    ];
    assert_eq!(cadences, BTreeSet::from(expected));
}

#[test]
fn every_template_of_the_examples_is_used() {
    let files = files();
    let all = load(&files, &Known::new());
    let cadences: Vec<_> = all.documents.iter().filter(|one| one.kind == Kind::Cadence).collect();

    for template in all.documents.iter().filter(|one| one.kind == Kind::Template) {
        let uses = |text: &str| text.split([' ', ',', '}', '\n']).any(|word| word == template.name);
        assert!(cadences.iter().any(|one| uses(&one.text)), "{} is used by no cadence", template.name);
    }
}

#[test]
fn no_example_fails_for_a_field_that_it_does_not_say_it_needs() {
    for document in files().iter().flat_map(|source| parse(source).documents) {
        let version = Version { id: VersionId(1), number: 1 };
        let (compiled, _) = compile(&[(document, version)], &Known::new());
        let Some(Content::Template(template)) = compiled.into_iter().map(|one| one.content).next() else {
            continue;
        };
        let parts = [&template.subject, &template.text, &template.html];
        let required = parts.into_iter().flatten().flat_map(|part| part.required().map(ToString::to_string));
        let silent: Vec<_> = required.filter(|field| !template.requires.contains(field)).collect();

        assert!(silent.is_empty(), "{} needs {silent:?}", template.name);
    }
}

#[test]
fn what_is_exported_is_what_was_written() {
    for source in files() {
        let parsed = parse(&source);

        let exported: String = parsed.documents.iter().map(|document| document.text.as_str()).collect();

        assert_eq!(exported, source.text, "{}", source.name);
        for document in &parsed.documents {
            let again = parse(&Source::new("again", document.text.as_str()));
            assert_eq!(again.documents.as_slice(), std::slice::from_ref(document), "{}", document.name);
        }
    }
}

#[test]
fn stored_examples_become_content() {
    let documents: Vec<_> = files().iter().flat_map(|source| parse(source).documents).collect();
    let stored: Vec<_> = documents
        .into_iter()
        .zip(1..)
        .map(|(document, id)| Stored {
            workspace: document.workspace,
            kind: document.kind,
            name: document.name,
            text: document.text,
            version: Version { id: VersionId(id), number: 1 },
            standing: Standing::Active,
        })
        .collect();

    let contents = content(&stored);

    assert!(contents.diagnostics.is_empty(), "{:?}", contents.diagnostics);
    let main = &contents.workspaces[&Workspace::main()];
    assert_eq!((main.active.len(), main.segments.len(), main.calendars.len()), (6, 1, 1));
    assert_eq!(main.templates.len(), stored.iter().filter(|one| one.kind == Kind::Template).count());
}
