//! `lint`, `apply`, `export`, `schema`.

use std::path::{Path, PathBuf};

use engine::{AppliedDocument, Apply, ApplyError};
use manifest::{Code, Loaded, Source};
use ports::content::{Activation, Applied, Content as _, Document};
use serde_json::{Value, json};

use super::actor;
use super::workbench::Workbench;
use crate::cli::{ApplyArgs, ExportArgs, Global, LintArgs, Output};
use crate::exit::{Failure, Outcome};
use crate::{output, wiring};

/// Needs no store: names are looked up among the files only, and in the configuration's connectors.
pub(super) fn lint(global: &Global, args: &LintArgs) -> Outcome {
    let sources = read_all(&args.paths)?;
    let connectors = wiring::connector_names(&wiring::read(global)?);
    let known = manifest::Known::new().connectors(connectors);
    let loaded = manifest::load(&sources, &known);
    if loaded.documents.is_empty() && loaded.diagnostics.is_empty() {
        return Err(Failure::Usage("there is no document in what was named".to_owned()));
    }
    findings(global, &loaded)?;
    if global.output == Output::Human && loaded.diagnostics.iter().any(|one| one.code == Code::UnknownName) {
        eprintln!("`lint` knows only the files named; name those too that hold the rest, or their folder");
    }
    if loaded.is_sound() { Ok(()) } else { Err(Failure::findings()) }
}

fn findings(global: &Global, loaded: &Loaded) -> Outcome {
    output::show(global.output, &loaded.diagnostics, || {
        for finding in &loaded.diagnostics {
            output::say!("{finding}\n");
        }
        let errors = loaded.diagnostics.iter().filter(|finding| finding.is_error()).count();
        let warnings = loaded.diagnostics.len() - errors;
        output::say!(
            "{}, {}, {}",
            output::count(loaded.documents.len(), "document"),
            output::count(errors, "error"),
            output::count(warnings, "warning")
        );
    })
}

pub(super) async fn apply(global: &Global, args: &ApplyArgs) -> Outcome {
    let sources = read_all(&args.paths)?;
    let bench = Workbench::open(global).await?;
    let how = Apply {
        workspace: &global.workspace,
        connectors: &wiring::connector_names(&bench.config),
        activation: if args.draft { Activation::Draft } else { Activation::Activate },
        actor: &actor(),
    };
    let report = match engine::apply(bench.store.as_ref(), &sources, how).await {
        Ok(report) => report,
        Err(ApplyError::Store(error)) => return Err(error.into()),
        Err(ApplyError::Findings(loaded)) => {
            findings(global, &loaded)?;
            return Err(Failure::findings());
        }
    };
    let listed: Vec<Value> = report.documents.iter().map(shown).collect();
    output::show(global.output, &listed, || {
        for finding in &report.loaded.diagnostics {
            eprintln!("{finding}\n");
        }
        for document in &report.documents {
            output::say!("{} {}: {}", document.kind, document.name, words(&document.applied));
        }
    })
}

fn shown(document: &AppliedDocument) -> Value {
    let (what, number) = match document.applied {
        Applied::Unchanged => ("unchanged", None),
        Applied::Version { number, .. } => ("current", Some(number)),
        Applied::Draft { number, .. } => ("draft", Some(number)),
    };
    json!({ "kind": document.kind, "name": document.name, "workspace": document.workspace, "result": what, "version": number })
}

fn words(applied: &Applied) -> String {
    match applied {
        Applied::Unchanged => "unchanged".to_owned(),
        Applied::Version { number, .. } => format!("version {number} is current"),
        Applied::Draft { number, .. } => format!("version {number} is stored as a draft"),
    }
}

pub(super) async fn export(global: &Global, args: &ExportArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let documents = bench.store.current(&global.workspace).await?;
    if let Some(folder) = &args.to {
        let wrong = |path: &Path, error: &std::io::Error| {
            Failure::Refused(format!("{} cannot be written: {error}", path.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| wrong(folder, &error))?;
        for document in &documents {
            let name = format!("{}-{}.yaml", document.kind.as_str().to_lowercase(), document.name);
            let file = folder.join(name);
            std::fs::write(&file, &document.text).map_err(|error| wrong(&file, &error))?;
        }
        let done = json!({ "documents": documents.len(), "folder": folder.display().to_string() });
        return output::show(global.output, &done, || {
            let written = output::count(documents.len(), "document");
            output::say!("{written} written to {}", folder.display());
        });
    }
    match global.output {
        Output::Json => output::json(&documents.iter().map(exported).collect::<Vec<_>>()),
        Output::Human => {
            for (index, document) in documents.iter().enumerate() {
                if index > 0 && !document.text.trim_start().starts_with("---") {
                    output::line("---")?;
                }
                output::line(document.text.trim_end())?;
            }
            Ok(())
        }
    }
}

fn exported(document: &Document) -> Value {
    json!({
        "kind": document.kind.as_str(),
        "name": document.name,
        "version": document.number,
        "actor": document.actor,
        "created_at": document.created_at,
        "text": document.text,
    })
}

pub(super) fn schema() -> Outcome {
    output::json(&manifest::json_schema())
}

/// Files as named, and the .yaml and .yml files of folders, in name order.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Vec<Source>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::Usage("there is no .yaml or .yml file in what was named".to_owned()));
    }
    files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::Usage(format!("{}: {error}", file.display())))?;
            Ok(Source::new(file.display().to_string(), text))
        })
        .collect()
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let wrong = |error: std::io::Error| Failure::Usage(format!("{}: {error}", path.display()));
    if !path.is_dir() {
        if !path.exists() {
            return Err(Failure::Usage(format!("{}: there is no such file or folder", path.display())));
        }
        files.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(wrong)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(wrong)?;
    entries.sort();
    for entry in entries {
        let is_yaml = entry.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if entry.is_dir() || is_yaml {
            collect(&entry, files)?;
        }
    }
    Ok(())
}
