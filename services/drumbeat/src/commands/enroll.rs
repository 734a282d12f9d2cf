//! `enroll`: one contact, or a CSV file of them.

use std::collections::BTreeSet;
use std::path::Path;

use domain::attributes::Attributes;
use domain::identity::{CrmId, Email, Phone, SubjectKeys};
use engine::{Act, Action, Subject};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::people::{known_cadence, tell};
use super::usage;
use super::workbench::{Verdict, Workbench, sentences};
use crate::cli::{EnrollArgs, Global};
use crate::exit::{Failure, Outcome};
use crate::output;

/// Acts between two moves of the progress bar.
const SLICE: usize = 200;

pub(super) async fn run(global: &Global, args: &EnrollArgs) -> Outcome {
    match (&args.csv, &args.contact) {
        (Some(file), _) => many(global, args, file).await,
        (None, Some(who)) => {
            let bench = opened(global, args).await?;
            let who = bench.person(global, who).await?;
            let decided = bench.act(global, Subject::Contact(who), action(args, Attributes::new())).await?;
            tell(global, &decided)
        }
        (None, None) => Err(usage("name a contact, or a file with --csv")),
    }
}

/// The store, where the cadence is one that it has.
async fn opened(global: &Global, args: &EnrollArgs) -> Result<Workbench, Failure> {
    let bench = Workbench::open(global).await?;
    known_cadence(&bench, global, &args.cadence).await?;
    Ok(bench)
}

fn action(args: &EnrollArgs, contact: Attributes) -> Action {
    Action::Enroll { cadence: args.cadence.clone(), overrides: args.overrides.clone(), contact }
}

/// A line of the file.
struct Line {
    number: u64,
    subject: SubjectKeys,
    attributes: Attributes,
}

/// A line that cannot be used, and why.
struct BadLine {
    number: u64,
    why: String,
}

async fn many(global: &Global, args: &EnrollArgs, file: &Path) -> Outcome {
    let (lines, bad) = read(file)?;
    let refused_lines: Vec<_> = bad.iter().map(|bad| json!({ "line": bad.number, "why": bad.why })).collect();
    if args.dry_run {
        let report = json!({ "usable": lines.len(), "refused": refused_lines });
        output::show(global.output, &report, || print_report(lines.len(), 0, &bad, &[]))?;
        return if bad.is_empty() { Ok(()) } else { Err(Failure::findings()) };
    }
    let bench = opened(global, args).await?;
    let people = bench.people();
    let bar = ProgressBar::new(lines.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} contacts, {eta} left") {
        bar.set_style(style);
    }
    let (mut enrolled, mut refused) = (0, Vec::new());
    for slice in lines.chunks(SLICE) {
        let acts: Vec<Act> = slice
            .iter()
            .map(|line| {
                bench.act_of(
                    global,
                    Subject::Contact(line.subject.clone()),
                    action(args, line.attributes.clone()),
                )
            })
            .collect::<Result<_, _>>()?;
        for (line, record) in slice.iter().zip(people.act_all(acts).await?) {
            let (words, verdict) = sentences(std::slice::from_ref(&record));
            match verdict {
                Verdict::Done => enrolled += 1,
                Verdict::Refused => refused.push(BadLine { number: line.number, why: words.join("; ") }),
            }
        }
        bar.inc(slice.len() as u64);
    }
    bar.finish_and_clear();
    let report = json!({
        "enrolled": enrolled,
        "refused": refused_lines.into_iter().chain(refused.iter().map(|bad| json!({ "line": bad.number, "why": bad.why }))).collect::<Vec<_>>(),
    });
    output::show(global.output, &report, || print_report(lines.len(), enrolled, &bad, &refused))?;
    if bad.is_empty() && refused.is_empty() { Ok(()) } else { Err(Failure::findings()) }
}

fn print_report(usable: usize, enrolled: usize, bad: &[BadLine], refused: &[BadLine]) {
    let refusals = bad.len() + refused.len();
    output::say!("{}, {enrolled} enrolled, {refusals} refused", output::count(usable, "usable line"));
    for line in bad.iter().chain(refused) {
        output::say!("line {}: {}", line.number, line.why);
    }
}

fn read(file: &Path) -> Result<(Vec<Line>, Vec<BadLine>), Failure> {
    let wrong = |error: csv::Error| usage(format!("{}: {error}", file.display()));
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(file).map_err(wrong)?;
    let header = reader.headers().map_err(wrong)?.clone();
    if !header.iter().any(|name| matches!(name, "email" | "phone" | "crm_id")) {
        return Err(usage(format!(
            "{}: the first line must name at least one of email, phone and crm_id",
            file.display()
        )));
    }
    let (mut lines, mut bad, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                bad.push(BadLine { number, why: error.to_string() });
                continue;
            }
        };
        let number = record.position().map_or(0, csv::Position::line);
        match line(number, &header, &record) {
            Ok(line) => {
                let keys: Vec<String> =
                    line.subject.iter().map(|(kind, value)| format!("{kind:?}:{value}")).collect();
                if keys.iter().any(|key| seen.contains(key)) {
                    bad.push(BadLine {
                        number,
                        why: "the same contact stands on an earlier line".to_owned(),
                    });
                } else {
                    seen.extend(keys);
                    lines.push(line);
                }
            }
            Err(why) => bad.push(BadLine { number, why }),
        }
    }
    Ok((lines, bad))
}

fn line(number: u64, header: &csv::StringRecord, record: &csv::StringRecord) -> Result<Line, String> {
    let (mut subject, mut attributes) = (SubjectKeys::default(), Attributes::new());
    for (name, value) in header.iter().zip(record).filter(|(_, value)| !value.is_empty()) {
        match name {
            "email" => subject.email = Some(Email::parse(value).map_err(|error| error.to_string())?),
            "phone" => subject.phone = Some(Phone::parse(value).map_err(|error| error.to_string())?),
            "crm_id" => subject.crm_ids.push(CrmId::new(value).map_err(|error| error.to_string())?),
            other => attributes.set(other, value),
        }
    }
    if subject.is_empty() {
        return Err("neither email, phone nor crm_id is given".to_owned());
    }
    Ok(Line { number, subject, attributes })
}
