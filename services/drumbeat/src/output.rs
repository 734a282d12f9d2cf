//! Results, as tables for people or one JSON document for scripts.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

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

/// Prints a line of a human answer.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::print(format_args!($($text)*)) };
}
pub(crate) use say;

/// Set once standard output takes nothing any more.
static GONE: AtomicBool = AtomicBool::new(false);

/// What [`say`] does. Once nobody reads any more (`drumbeat explain … | head`), the rest is not said.
pub(crate) fn print(text: std::fmt::Arguments<'_>) {
    if gone() {
        return;
    }
    if let Err(error) = writeln!(std::io::stdout().lock(), "{text}") {
        GONE.store(true, Ordering::Relaxed);
        if error.kind() != std::io::ErrorKind::BrokenPipe {
            eprintln!("error: the answer cannot be written: {error}");
        }
    }
}

/// Whether an answer could not be said whole.
pub(crate) fn gone() -> bool {
    GONE.load(Ordering::Relaxed)
}

/// How many of something: `1 document`, `2 documents`.
pub(crate) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// How many names a message lists.
const NAMES: usize = 12;

/// What a name that is not there may have been meant to be, and what there is.
pub(crate) fn known_names(asked: &str, known: &[String]) -> String {
    let near = runtime::config::near(asked, known.iter().map(String::as_str));
    let meant = near.map(|name| format!("did you mean {name}? ")).unwrap_or_default();
    let more = known.len().saturating_sub(NAMES);
    let listed = known.iter().take(NAMES).map(String::as_str).collect::<Vec<_>>().join(", ");
    match (listed.is_empty(), more) {
        (true, _) => "there are none".to_owned(),
        (false, 0) => format!("{meant}there are: {listed}"),
        (false, more) => format!("{meant}there are: {listed}, and {more} more"),
    }
}

/// A time for people: to the second.
pub(crate) fn moment(at: jiff::Timestamp) -> String {
    format!("{at:.0}")
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
        say!("{empty}");
    } else {
        say!("{table}");
    }
}
