//! Content: cadences, templates, segments, calendars.

use std::path::PathBuf;

use clap::Args;

/// `lint`
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Files, or folders whose .yaml and .yml files are read.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
}

/// `apply`
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// Files, or folders whose .yaml and .yml files are read.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Stores the versions without making them current.
    #[arg(long)]
    pub(crate) draft: bool,
}

/// `export`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Writes one file a document into this folder instead of printing all.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) to: Option<PathBuf>,
}

/// `schema`
#[derive(Debug, Args)]
pub(crate) struct SchemaArgs {}
