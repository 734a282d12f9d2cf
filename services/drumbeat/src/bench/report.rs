//! What was measured, told as it comes and once more as a table.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::row::{Ratio, Row, median, spread};
use crate::output;

/// What a run came to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Report {
    /// Where and when.
    pub(super) machine: Machine,
    /// The measurements, in the order in which they were made.
    pub(super) rows: Vec<Row>,
    /// What could not be measured, and why.
    pub(super) missing: Vec<String>,
}

/// Where and when a run was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) at: jiff::Timestamp,
    pub(super) cores: usize,
    pub(super) system: String,
    pub(super) version: String,
    /// Of the sources that it was built of, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) commit: Option<String>,
    pub(super) build: String,
    /// How long each measurement ran.
    pub(super) seconds: u64,
    /// How often everything was measured; the figures are the medians.
    pub(super) runs: usize,
}

impl Machine {
    /// In one line.
    pub(super) fn line(&self) -> String {
        let commit = self.commit.as_ref().map(|commit| format!(" of {commit}")).unwrap_or_default();
        let runs = if self.runs > 1 { format!(", medians of {} runs", self.runs) } else { String::new() };
        format!(
            "drumbeat {}{commit} ({} build), {} cores, {}, {}, {} s a measurement{runs}",
            self.version,
            self.build,
            self.cores,
            self.system,
            self.at.round(jiff::Unit::Second).unwrap_or(self.at),
            self.seconds
        )
    }
}

impl Report {
    /// Takes a measurement down, and tells it at once on standard error.
    pub(super) fn add(&mut self, row: Row) {
        let [part, on, what, rate, ratio, p50, p99, other, notes] = row.cells();
        let mut line = format!("{part} on {on}: {what}:");
        let cells = [(rate, "/s"), (ratio, ""), (p50, " ms p50"), (p99, " ms p99"), (other, ""), (notes, "")];
        for (value, unit) in cells {
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

    /// Holds what was measured on the embedded store against the same on PostgreSQL: it has no reference of its own.
    pub(super) fn relate_stores(&mut self) {
        let others = self.rows.clone();
        for row in self.rows.iter_mut().filter(|row| row.on == "sqlite") {
            let same =
                |other: &&Row| other.on == "postgres" && other.part == row.part && other.what == row.what;
            let there = others.iter().find(same).and_then(|other| other.per_second);
            if let Some((mine, theirs)) = row.per_second.zip(there.filter(|theirs| *theirs > 0.0)) {
                row.ratios.push(Ratio { to: "postgres".to_owned(), value: mine / theirs });
            }
        }
    }

    /// For people.
    pub(super) fn print(&self) {
        println!("{}", self.machine.line());
        println!("load generator, servers and what is measured share these cores\n");
        let header = ["part", "on", "what", "a second", "ratio", "p50 ms", "p99 ms", "other", ""];
        println!("{}", output::table(header, self.rows.iter().map(Row::cells)));
        for what in &self.missing {
            println!("not measured: {what}");
        }
    }
}

/// Several runs as one: the median of each figure, with its spread. Rows of one name are told apart by their turn.
pub(super) fn merge(mut runs: Vec<Report>) -> Option<Report> {
    if runs.len() < 2 {
        return runs.pop();
    }
    let mut merged = runs[0].clone();
    merged.machine.runs = runs.len();
    for (index, row) in merged.rows.iter_mut().enumerate() {
        let turn = runs[0].rows[..index].iter().filter(|other| other.key() == row.key()).count();
        let same: Vec<Row> = runs
            .iter()
            .filter_map(|run| run.rows.iter().filter(|other| other.key() == row.key()).nth(turn).cloned())
            .collect();
        let mut spreads = Vec::new();
        row.change(|name, value, _| {
            let figures = same.iter().flat_map(Row::figures);
            let values: Vec<f64> =
                figures.filter(|figure| figure.name == name).map(|one| one.value).collect();
            spreads.extend(spread(&values).map(|spread| (name.to_owned(), spread)));
            median(&values).unwrap_or(value)
        });
        row.spread.extend(spreads);
    }
    merged.missing = runs.into_iter().flat_map(|run| run.missing).collect();
    merged.missing.sort();
    merged.missing.dedup();
    Some(merged)
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
pub(super) mod tests {
    use super::super::row::PER_SECOND;
    use super::*;

    pub(in crate::bench) fn report(rows: Vec<Row>) -> Report {
        let machine = Machine {
            at: jiff::Timestamp::UNIX_EPOCH,
            cores: 2,
            system: "linux".to_owned(),
            version: "0.0.0".to_owned(),
            commit: None,
            build: "release".to_owned(),
            seconds: 5,
            runs: 1,
        };
        Report { machine, rows, missing: Vec::new() }
    }

    fn row(per_second: f64) -> Row {
        Row::new("ingest", "kafka", "64 connections").rate(per_second)
    }

    #[test]
    fn several_runs_give_the_median_and_how_far_they_lie_apart() {
        let runs = [100.0, 130.0, 110.0].map(|rate| report(vec![row(rate)])).to_vec();

        let merged = merge(runs).unwrap();

        assert_eq!(merged.machine.runs, 3);
        assert!((merged.rows[0].per_second.unwrap() - 110.0).abs() < 1e-9);
        assert!((merged.rows[0].spread[PER_SECOND] - 15.0 / 110.0).abs() < 1e-9);
    }

    #[test]
    fn rows_of_one_name_are_merged_in_their_turns() {
        let runs = vec![report(vec![row(10.0), row(50.0)]), report(vec![row(20.0), row(70.0)])];

        let merged = merge(runs).unwrap();

        let rates: Vec<f64> = merged.rows.iter().filter_map(|row| row.per_second).collect();
        assert_eq!(rates, [15.0, 60.0]);
    }

    #[test]
    fn the_embedded_store_is_held_against_the_other_one() {
        let row = |on: &str, rate: f64| Row::new("enrollment", on, "mixed").rate(rate);
        let mut report = report(vec![row("sqlite", 50.0), row("postgres", 100.0)]);

        report.relate_stores();

        assert!((report.rows[0].ratios[0].value - 0.5).abs() < 1e-9);
        assert!(report.rows[1].ratios.is_empty());
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let mut written = report(vec![row(100.0).against("R_http", Some(200.0)).note("x")]);
        written.missing.push("y".to_owned());

        let text = serde_json::to_string(&written).unwrap();
        let read: Report = serde_json::from_str(&text).unwrap();

        assert_eq!(read.rows, written.rows);
        assert_eq!(read.missing, written.missing);
    }
}
