//! What was measured, told as it comes and once more as a table.

use std::time::Duration;

use serde::Serialize;

use super::sample::{Sample, millis};
use crate::output;

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    /// `reference`, `ingest`, `enrollment`, `dispatch` or `latency`.
    pub(super) part: &'static str,
    /// On which adapters.
    pub(super) on: &'static str,
    /// What was measured.
    pub(super) what: String,
    /// What is counted, in a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) per_second: Option<f64>,
    /// The reference that it is held against, and the ratio to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<Ratio>,
    /// The median, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p50_ms: Option<f64>,
    /// What one in a hundred exceeds, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p99_ms: Option<f64>,
    /// What else is to be known of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// A rate against a reference of the same run.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Ratio {
    pub(super) to: &'static str,
    pub(super) value: f64,
}

impl Row {
    pub(super) fn new(part: &'static str, on: &'static str, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { part, on, what, per_second: None, ratio: None, p50_ms: None, p99_ms: None, notes: Vec::new() }
    }

    pub(super) fn rate(mut self, per_second: f64) -> Self {
        self.per_second = Some(per_second);
        self
    }

    /// Held against a reference, where there is one.
    pub(super) fn against(mut self, to: &'static str, reference: Option<f64>) -> Self {
        let value = self.per_second.zip(reference).filter(|(_, reference)| *reference > 0.0);
        self.ratio = value.map(|(mine, reference)| Ratio { to, value: mine / reference });
        self
    }

    pub(super) fn times(mut self, sample: &Sample) -> Self {
        self.p50_ms = sample.percentile(0.5).map(millis);
        self.p99_ms = sample.percentile(0.99).map(millis);
        self
    }

    pub(super) fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Only where there is something to say.
    pub(super) fn note_if(self, there: Option<impl Into<String>>) -> Self {
        match there {
            Some(note) => self.note(note),
            None => self,
        }
    }

    fn cells(&self) -> [String; 8] {
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(String::new, |value| format!("{value:.digits$}"))
        };
        [
            self.part.to_owned(),
            self.on.to_owned(),
            self.what.clone(),
            self.per_second.map(thousands).unwrap_or_default(),
            self.ratio.as_ref().map(|ratio| format!("{:.2} {}", ratio.value, ratio.to)).unwrap_or_default(),
            number(self.p50_ms, 2),
            number(self.p99_ms, 2),
            self.notes.join("; "),
        ]
    }
}

/// A rate with its thousands apart.
fn thousands(value: f64) -> String {
    let plain = format!("{value:.0}");
    let mut grouped = String::new();
    for (index, digit) in plain.chars().enumerate() {
        if index > 0 && (plain.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// Where and when.
    pub(super) machine: Machine,
    /// The measurements, in the order in which they were made.
    pub(super) rows: Vec<Row>,
    /// What could not be measured, and why.
    pub(super) missing: Vec<String>,
}

/// Where and when a run was made.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) at: jiff::Timestamp,
    pub(super) cores: usize,
    pub(super) system: String,
    pub(super) version: &'static str,
    pub(super) build: &'static str,
    pub(super) seconds: u64,
}

impl Report {
    /// Takes a measurement down, and tells it at once on standard error.
    pub(super) fn add(&mut self, row: Row) {
        let [part, on, what, rate, ratio, p50, p99, notes] = row.cells();
        let mut line = format!("{part} on {on}: {what}:");
        for (value, unit) in [(rate, "/s"), (ratio, ""), (p50, " ms p50"), (p99, " ms p99"), (notes, "")] {
            if !value.is_empty() {
                line = format!("{line} {value}{unit},");
            }
        }
        eprintln!("{}", line.trim_end_matches([',', ':']));
        self.rows.push(row);
    }

    /// Takes down that something could not be measured.
    pub(super) fn lacks(&mut self, what: String) {
        eprintln!("not measured: {what}");
        self.missing.push(what);
    }

    /// For people.
    pub(super) fn print(&self) {
        let machine = &self.machine;
        println!(
            "drumbeat {} ({} build), {} cores, {}, {}, {} s a measurement",
            machine.version,
            machine.build,
            machine.cores,
            machine.system,
            machine.at.round(jiff::Unit::Second).unwrap_or(machine.at),
            machine.seconds
        );
        println!("load generator, servers and what is measured share these cores\n");
        let header = ["part", "on", "what", "a second", "ratio", "p50 ms", "p99 ms", ""];
        println!("{}", output::table(header, self.rows.iter().map(Row::cells)));
        for what in &self.missing {
            println!("not measured: {what}");
        }
    }
}

/// Says on standard error what is under way.
pub(super) fn tell(what: &str) {
    eprintln!("... {what}");
}

/// Seconds for a note, to a tenth.
pub(super) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(thousands(7.4), "7");
        assert_eq!(thousands(999.5), "1,000");
        assert_eq!(thousands(1_234_567.0), "1,234,567");
    }

    #[test]
    fn a_ratio_needs_a_reference() {
        let row = Row::new("ingest", "embedded", "x").rate(50.0);

        assert!(row.clone().against("R_http", None).ratio.is_none());
        assert!(row.clone().against("R_http", Some(0.0)).ratio.is_none());
        assert!((row.against("R_http", Some(200.0)).ratio.unwrap().value - 0.25).abs() < 1e-9);
    }
}
