//! Hears every statement that stores send.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

static HEARD: Mutex<BTreeSet<(String, String)>> = Mutex::new(BTreeSet::new());
static BEGIN: Once = Once::new();

struct Ear;

#[derive(Default)]
struct Said {
    system: String,
    text: String,
}

impl Visit for Said {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }
}

impl Said {
    fn put(&mut self, field: &Field, value: String) {
        match field.name() {
            "db.system.name" => self.system = value,
            "db.query.text" => self.text = value,
            _ => {}
        }
    }
}

impl<S: Subscriber> Layer<S> for Ear {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != "store::statement" {
            return;
        }
        let mut said = Said::default();
        event.record(&mut said);
        HEARD.lock().expect("nobody panics while listening").insert((said.system, said.text));
    }
}

/// Begins to listen.
pub(crate) fn listen() {
    BEGIN.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Ear))
            .expect("nobody else listens");
    });
}

/// The texts sent so far to a database of that kind.
pub(crate) fn heard(system: &str) -> Vec<String> {
    let heard = HEARD.lock().expect("nobody panics while listening");
    heard.iter().filter(|(of, _)| of == system).map(|(_, text)| text.clone()).collect()
}

/// The beginnings of statements in this crate's source, as patterns: what is put in between is left open.
pub(crate) fn written() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the source can be read") {
            let path = entry.expect("the source can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(&path).expect("the source can be read");
                found.extend(beginnings(&text));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first words of each `stmt("…")` and `stmt(&format!("…"))`.
fn beginnings(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (place, _) in source.match_indices("stmt(") {
        let rest = source[place + "stmt(".len()..].trim_start();
        let rest = rest.strip_prefix("&format!(").map_or(rest, str::trim_start);
        let Some(rest) = rest.strip_prefix('"') else { continue };
        // Up to the first escape: a beginning is enough.
        let Some(end) = rest.find(['"', '\\']) else { continue };
        found.push(rest[..end].to_owned());
    }
    found
}

/// Whether a text begins as a pattern says.
pub(crate) fn begins(text: &str, pattern: &str) -> bool {
    let mut rest = text;
    let mut pieces = Vec::new();
    let mut left = pattern;
    while let Some(open) = left.find('{') {
        pieces.push(&left[..open]);
        left = left[open..].find('}').map_or("", |close| &left[open + close + 1..]);
    }
    pieces.push(left);
    for (place, piece) in pieces.iter().enumerate() {
        match rest.find(piece) {
            Some(at) if place > 0 || at == 0 => rest = &rest[at + piece.len()..],
            _ => return false,
        }
    }
    true
}
