//! One measurement, and its numbers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sample::{Sample, millis};

/// One measurement. Part, adapters and what was measured name it, the same in every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    /// Which part of the bench.
    pub(super) part: String,
    /// On which adapters.
    pub(super) on: String,
    /// What was measured.
    pub(super) what: String,
    /// What is counted, in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) per_second: Option<f64>,
    /// The references that it is held against, and the ratios to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) ratios: Vec<Ratio>,
    /// The median, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p50_ms: Option<f64>,
    /// What one in a hundred exceeds, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) p99_ms: Option<f64>,
    /// The longest, in milliseconds, where there are few.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) max_ms: Option<f64>,
    /// What is neither a rate nor a time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<Amount>,
    /// The noise, by figure: half of the way from the least to the most of what was measured several times, as a share
    /// of the median. Of a run that was not repeated only rates have it, from the parts of their time.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) spread: BTreeMap<String, f64>,
    /// What else is to be known of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) notes: Vec<String>,
}

/// A rate against a reference of the same run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Ratio {
    /// The reference.
    pub(super) to: String,
    pub(super) value: f64,
}

/// Bytes, shares, microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Amount {
    pub(super) value: f64,
    pub(super) unit: String,
    pub(super) better: Better,
}

/// Which way a figure improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Better {
    /// More of it.
    Higher,
    /// Less of it.
    Lower,
}

/// One number of a row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    /// `a second`, `p50 ms`, …, a unit, or the reference of a ratio.
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) better: Better,
}

/// The figure of [`Row::per_second`].
pub(super) const PER_SECOND: &str = "a second";

impl Row {
    pub(super) fn new(part: &str, on: &str, what: impl Into<String>) -> Self {
        Self {
            part: part.to_owned(),
            on: on.to_owned(),
            what: what.into(),
            per_second: None,
            ratios: Vec::new(),
            p50_ms: None,
            p99_ms: None,
            max_ms: None,
            amount: None,
            spread: BTreeMap::new(),
            notes: Vec::new(),
        }
    }

    pub(super) fn rate(mut self, per_second: f64) -> Self {
        self.per_second = Some(per_second);
        self
    }

    /// Held against a reference, where there is one.
    pub(super) fn against(mut self, to: &str, reference: Option<f64>) -> Self {
        let value = self.per_second.zip(reference).filter(|(_, reference)| *reference > 0.0);
        self.ratios
            .extend(value.map(|(mine, reference)| Ratio { to: to.to_owned(), value: mine / reference }));
        self
    }

    pub(super) fn times(mut self, sample: &Sample) -> Self {
        self.p50_ms = sample.percentile(0.5).map(millis);
        self.p99_ms = sample.percentile(0.99).map(millis);
        self
    }

    /// With the longest.
    pub(super) fn longest(mut self, sample: &Sample) -> Self {
        self.max_ms = sample.percentile(1.0).map(millis);
        self
    }

    pub(super) fn amount(mut self, value: f64, unit: &str, better: Better) -> Self {
        self.amount = Some(Amount { value, unit: unit.to_owned(), better });
        self
    }

    /// The same rate in the parts of the time that was measured: how steady it was.
    pub(super) fn parts(mut self, rates: &[f64]) -> Self {
        self.spread.extend(spread(rates).map(|spread| (PER_SECOND.to_owned(), spread)));
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

    /// Its name.
    pub(super) fn key(&self) -> (&str, &str, &str) {
        (&self.part, &self.on, &self.what)
    }

    /// Its numbers.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let mut row = self.clone();
        let mut figures = Vec::new();
        row.change(|name, value, better| {
            figures.push(Figure { name: name.to_owned(), value, better });
            value
        });
        figures
    }

    /// Changes each of its numbers, by name and the way in which it improves.
    pub(super) fn change(&mut self, mut to: impl FnMut(&str, f64, Better) -> f64) {
        let rates = [(PER_SECOND, &mut self.per_second, Better::Higher)];
        let times =
            [("p50 ms", &mut self.p50_ms), ("p99 ms", &mut self.p99_ms), ("max ms", &mut self.max_ms)];
        let times = times.map(|(name, value)| (name, value, Better::Lower));
        for (name, value, better) in rates.into_iter().chain(times) {
            *value = value.map(|value| to(name, value, better));
        }
        for ratio in &mut self.ratios {
            ratio.value = to(&ratio.to, ratio.value, Better::Higher);
        }
        if let Some(amount) = &mut self.amount {
            amount.value = to(&amount.unit, amount.value, amount.better);
        }
    }

    /// For a table.
    pub(super) fn cells(&self) -> [String; 9] {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.2}"));
        let ratios: Vec<String> =
            self.ratios.iter().map(|ratio| format!("{:.2} {}", ratio.value, ratio.to)).collect();
        let mut notes = self.notes.clone();
        notes.extend(self.spread.get(PER_SECOND).map(|spread| format!("steady to {:.0} %", spread * 100.0)));
        let other = self.amount.as_ref().map(|amount| format!("{} {}", short(amount.value), amount.unit));
        [
            self.part.clone(),
            self.on.clone(),
            self.what.clone(),
            self.per_second.map(thousands).unwrap_or_default(),
            ratios.join(", "),
            number(self.p50_ms),
            number(self.p99_ms),
            other.or_else(|| self.max_ms.map(|max| format!("max {max:.2} ms"))).unwrap_or_default(),
            notes.join("; "),
        ]
    }
}

/// Half of the way from the least to the most, as a share of the median; `None` of fewer than two.
pub(super) fn spread(values: &[f64]) -> Option<f64> {
    let middle = median(values).filter(|middle| *middle > 0.0 && values.len() > 1)?;
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Some((most - least) / 2.0 / middle)
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    Some(if sorted.len().is_multiple_of(2) { f64::midpoint(sorted[middle - 1], upper) } else { upper })
}

/// As many digits as say something.
pub(super) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => thousands(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A rate with its thousands apart.
pub(super) fn thousands(value: f64) -> String {
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

        assert!(row.clone().against("R_http", None).ratios.is_empty());
        assert!(row.clone().against("R_http", Some(0.0)).ratios.is_empty());
        assert!((row.against("R_http", Some(200.0)).ratios[0].value - 0.25).abs() < 1e-9);
    }

    #[test]
    fn the_noise_is_half_of_what_lies_between_the_extremes() {
        assert!((spread(&[90.0, 100.0, 120.0]).unwrap() - 0.15).abs() < 1e-9);
        assert_eq!(spread(&[100.0]), None);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
    }
}
