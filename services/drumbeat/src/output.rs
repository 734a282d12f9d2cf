//! Results, as tables for people or one JSON document for scripts.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::cli::Output;
use crate::exit::{Failure, Outcome};

/// Prints one JSON document, or what `human` prints.
pub(crate) fn show<T: Serialize>(output: Output, value: &T, human: impl FnOnce()) -> Outcome {
    match output {
        Output::Json => json(value),
        Output::Human => {
            human();
            Ok(())
        }
    }
}

/// Prints one JSON document.
pub(crate) fn json<T: Serialize>(value: &T) -> Outcome {
    let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Refused(error.to_string()))?;
    line(&text)
}

/// Prints one line. Nobody reading any more (`drumbeat tail | head`) ends the command without a word.
pub(crate) fn line(text: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}").map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::findings(),
        _ => Failure::from(error),
    })
}

/// A table with a header line, as wide as the terminal.
pub(crate) fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    if std::io::stdout().is_terminal() {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row);
    }
    table
}

/// Prints a table, or a sentence when it has no rows.
pub(crate) fn table_or(table: &Table, empty: &str) {
    if table.row_iter().next().is_none() {
        println!("{empty}");
    } else {
        println!("{table}");
    }
}
