//! `bench compare`: two reports side by side, and what became worse.

use std::path::Path;

use serde::Serialize;

use super::report::Report;
use super::row::{Better, Figure, PER_SECOND, Row, median, short};
use crate::cli::{CompareArgs, Global};
use crate::exit::{Failure, Outcome};
use crate::output;

/// What one figure did from one report to the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Change {
    part: String,
    on: String,
    what: String,
    /// Which of its numbers.
    figure: String,
    before: f64,
    after: f64,
    /// After by before.
    ratio: f64,
    /// How far apart repeated measurements of the two lay, as a share; 0 where that is not known.
    noise: f64,
    verdict: Verdict,
}

/// What to think of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    /// Within the noise or the tolerance.
    Same,
    /// Better by more than both.
    Better,
    /// Worse by more than both.
    Worse,
    /// A reference: it tells of the machine.
    Reference,
}

impl Verdict {
    fn words(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::Reference => "the machine",
        }
    }
}

#[derive(Debug, Serialize)]
struct Comparison {
    changes: Vec<Change>,
    /// Rows that only the first report has.
    gone: Vec<String>,
    /// Rows that only the second report has.
    new: Vec<String>,
    /// How many figures became worse.
    worse: usize,
}

/// Compares two files and prints.
pub(super) fn run(global: &Global, args: &CompareArgs) -> Outcome {
    if !(0.0..1.0).contains(&args.tolerance) {
        return Err(Failure::Usage("--tolerance: a share from 0 up to 1, such as 0.1".to_owned()));
    }
    let (before, after) = (read(&args.before)?, read(&args.after)?);
    let compared = compare(&before, &after, args.tolerance);
    output::show(if args.json { crate::cli::Output::Json } else { global.output }, &compared, || {
        println!("before: {}\nafter:  {}\n", before.machine.line(), after.machine.line());
        print(&compared);
    })?;
    if compared.worse > 0 { Err(Failure::findings()) } else { Ok(()) }
}

fn read(file: &Path) -> Result<Report, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Usage(format!(
            "{}: {error}; `drumbeat bench --save FILE` writes such a file",
            file.display()
        ))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    serde_json::from_str(&text).map_err(|error| wrong(&error))
}

fn print(compared: &Comparison) {
    let header = ["part", "on", "what", "figure", "before", "after", "ratio", "noise", ""];
    let cells = compared.changes.iter().map(|one| {
        let noise = if one.noise > 0.0 { format!("{:.0} %", one.noise * 100.0) } else { String::new() };
        [
            one.part.clone(),
            one.on.clone(),
            one.what.clone(),
            one.figure.clone(),
            short(one.before),
            short(one.after),
            format!("{:.2}", one.ratio),
            noise,
            one.verdict.words().to_owned(),
        ]
    });
    println!("{}", output::table(header, cells));
    for (rows, which) in [(&compared.gone, "before"), (&compared.new, "after")] {
        for row in rows {
            println!("only {which}: {row}");
        }
    }
    match compared.worse {
        0 => println!("nothing became worse"),
        1 => println!("one figure became worse"),
        many => println!("{many} figures became worse"),
    }
}

fn compare(before: &Report, after: &Report, tolerance: f64) -> Comparison {
    let names = |report: &Report| -> Vec<String> {
        let mut names = Vec::new();
        for row in &report.rows {
            let (part, on, what) = row.key();
            let name = format!("{part} on {on}: {what}");
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    };
    let (old, new) = (names(before), names(after));
    let mut changes: Vec<Change> = Vec::new();
    for row in &before.rows {
        let known = changes.iter().any(|one| (&*one.part, &*one.on, &*one.what) == row.key());
        if !known {
            changes.extend(of_row(row, (before, after), tolerance));
        }
    }
    Comparison {
        worse: changes.iter().filter(|one| one.verdict == Verdict::Worse).count(),
        changes,
        gone: old.iter().filter(|name| !new.contains(name)).cloned().collect(),
        new: new.iter().filter(|name| !old.contains(name)).cloned().collect(),
    }
}

/// What each figure of a row did. A rate with a reference is judged by its ratios: the machine moves too.
fn of_row(row: &Row, (before, after): (&Report, &Report), tolerance: f64) -> Vec<Change> {
    let mut changes = Vec::new();
    for figure in row.figures() {
        let old = of_figure(before, row, &figure);
        let Some(((before, noise), (after, other))) = old.zip(of_figure(after, row, &figure)) else {
            continue;
        };
        if before <= 0.0 || (figure.name == PER_SECOND && !row.ratios.is_empty() && row.part != "reference") {
            continue;
        }
        let (ratio, noise) = (after / before, noise + other);
        let verdict = if row.part == "reference" {
            Verdict::Reference
        } else {
            judge(&figure, ratio, noise.max(tolerance))
        };
        let (part, on, what) = (row.part.clone(), row.on.clone(), row.what.clone());
        changes.push(Change { part, on, what, figure: figure.name, before, after, ratio, noise, verdict });
    }
    changes
}

/// A figure's value in a report and its noise; the median, where a row was measured more than once.
fn of_figure(report: &Report, row: &Row, figure: &Figure) -> Option<(f64, f64)> {
    let same = report.rows.iter().filter(|other| other.key() == row.key());
    let (mut values, mut noise) = (Vec::new(), 0.0_f64);
    for row in same {
        let found = row.figures().into_iter().filter(|other| other.name == figure.name);
        values.extend(found.map(|figure| figure.value));
        // A ratio to a reference is at least as unsteady as the rate that it is made of.
        let is_ratio = row.ratios.iter().any(|ratio| ratio.to == figure.name);
        let of_rate = row.spread.get(PER_SECOND).filter(|_| is_ratio);
        noise = row.spread.get(&figure.name).or(of_rate).copied().unwrap_or_default().max(noise);
    }
    median(&values).map(|value| (value, noise))
}

fn judge(figure: &Figure, ratio: f64, margin: f64) -> Verdict {
    // Twice as long and half as fast are as bad as each other.
    let gain = match figure.better {
        Better::Higher => ratio,
        Better::Lower if ratio > 0.0 => 1.0 / ratio,
        Better::Lower => f64::INFINITY,
    };
    if gain < 1.0 - margin {
        Verdict::Worse
    } else if gain > 1.0 + margin {
        Verdict::Better
    } else {
        Verdict::Same
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::super::sample::Sample;
    use super::*;

    fn rate(per_second: f64) -> Row {
        Row::new("enrollment", "sqlite", "mixed").rate(per_second)
    }

    fn verdicts(before: Row, after: Row) -> Vec<(String, Verdict)> {
        let compared = compare(&report(vec![before]), &report(vec![after]), 0.1);
        compared.changes.into_iter().map(|one| (one.figure, one.verdict)).collect()
    }

    #[test]
    fn a_rate_that_falls_by_more_than_the_tolerance_is_worse() {
        assert_eq!(verdicts(rate(100.0), rate(89.0)), [("a second".to_owned(), Verdict::Worse)]);
        assert_eq!(verdicts(rate(100.0), rate(91.0)), [("a second".to_owned(), Verdict::Same)]);
        assert_eq!(verdicts(rate(100.0), rate(111.0)), [("a second".to_owned(), Verdict::Better)]);
    }

    #[test]
    fn a_time_that_grows_is_worse() {
        let of = |millis: u64| {
            let mut sample = Sample::default();
            sample.push(std::time::Duration::from_millis(millis));
            Row::new("latency", "embedded", "x").times(&sample)
        };

        let seen = verdicts(of(10), of(12));

        assert!(seen.iter().all(|(_, verdict)| *verdict == Verdict::Worse), "{seen:?}");
        assert!(verdicts(of(12), of(10)).iter().all(|(_, verdict)| *verdict == Verdict::Better));
    }

    #[test]
    fn what_lies_within_the_noise_has_not_moved() {
        let noisy =
            |per_second: f64| rate(per_second).parts(&[per_second * 0.8, per_second, per_second * 1.2]);

        assert_eq!(verdicts(noisy(100.0), noisy(65.0)), [("a second".to_owned(), Verdict::Same)]);
        assert_eq!(verdicts(noisy(100.0), noisy(55.0)), [("a second".to_owned(), Verdict::Worse)]);
    }

    #[test]
    fn a_rate_with_a_reference_is_judged_by_its_ratio() {
        let before = rate(100.0).against("R_pg", Some(50.0));
        let slower_machine = rate(60.0).against("R_pg", Some(30.0));

        assert_eq!(verdicts(before, slower_machine), [("R_pg".to_owned(), Verdict::Same)]);
    }

    #[test]
    fn a_reference_is_never_worse() {
        let reference = |per_second: f64| Row::new("reference", "postgres", "pgbench").rate(per_second);

        let seen = verdicts(reference(100.0), reference(10.0));

        assert_eq!(seen, [("a second".to_owned(), Verdict::Reference)]);
    }

    /// As it is typed, of two reports in files.
    fn typed(before: Row, after: Row) -> Outcome {
        use clap::Parser as _;
        static FOLDERS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        let number = FOLDERS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("drumbeat-compare-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let files = [("before.json", before), ("after.json", after)].map(|(name, row)| {
            let file = folder.join(name);
            std::fs::write(&file, serde_json::to_string(&report(vec![row])).unwrap()).unwrap();
            file.to_str().unwrap().to_owned()
        });
        let words = ["drumbeat", "bench", "compare", &files[0], &files[1], "--tolerance", "0.2"];
        let cli = crate::cli::Cli::try_parse_from(words).unwrap();
        let crate::cli::Command::Bench(bench) = cli.command else { panic!("not the bench") };
        let Some(crate::cli::BenchCommand::Compare(args)) = bench.command else { panic!("no comparison") };
        let outcome = run(&cli.global, &args);
        std::fs::remove_dir_all(&folder).unwrap();
        outcome
    }

    #[test]
    fn the_command_fails_when_a_figure_is_worse_than_the_tolerance_allows() {
        assert!(typed(rate(100.0), rate(85.0)).is_ok());
        assert!(matches!(typed(rate(100.0), rate(75.0)), Err(Failure::Refused(_))));
    }

    #[test]
    fn what_only_one_report_has_is_named() {
        let other = Row::new("space", "sqlite", "y").amount(500.0, "B", Better::Lower);

        let compared = compare(&report(vec![rate(1.0)]), &report(vec![other]), 0.1);

        assert_eq!(compared.gone, ["enrollment on sqlite: mixed"]);
        assert_eq!(compared.new, ["space on sqlite: y"]);
        assert_eq!((compared.changes.len(), compared.worse), (0, 0));
    }
}
