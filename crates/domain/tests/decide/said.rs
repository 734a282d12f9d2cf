//! What a record says.

use domain::decision::{Decision, DecisionRecord, RefusalRule};

/// Who entered.
pub(crate) fn enrolled(record: &DecisionRecord) -> Vec<&str> {
    let names = record.items.iter().filter_map(|item| match item {
        Decision::Enrolled { cadence, .. } => Some(cadence.as_str()),
        _ => None,
    });
    names.collect()
}

/// Who was refused, by which rule.
pub(crate) fn refused(record: &DecisionRecord) -> Vec<(&str, RefusalRule)> {
    let names = record.items.iter().filter_map(|item| match item {
        Decision::Refused { cadence, refusal } => Some((cadence.as_str(), refusal.rule)),
        _ => None,
    });
    names.collect()
}

/// The codes of what was ignored.
pub(crate) fn ignored(record: &DecisionRecord) -> Vec<&str> {
    let codes = record.items.iter().filter_map(|item| match item {
        Decision::Ignored { why } => Some(why.code.as_str()),
        _ => None,
    });
    codes.collect()
}

/// The codes of what befell touches.
pub(crate) fn touched(record: &DecisionRecord) -> Vec<(&str, &str)> {
    let codes = record.items.iter().filter_map(|item| match item {
        Decision::Touched { step, what, .. } => Some((step.as_str(), what.code.as_str())),
        _ => None,
    });
    codes.collect()
}

/// The codes of what was noted.
pub(crate) fn noted(record: &DecisionRecord) -> Vec<&str> {
    let codes = record.items.iter().filter_map(|item| match item {
        Decision::Noted { what } => Some(what.code.as_str()),
        _ => None,
    });
    codes.collect()
}
