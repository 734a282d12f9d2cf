//! A batch of events of some partitions: one unit, or, when an event is at fault or too much changes under the batch, as
//! many as it takes.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::input::{EventInput, Input};
use ports::StoreError;
use ports::bus::{Message, StoredOffset, Topic};
use ports::unit::{Advance, Unit, UnitReport, Units};

use crate::catalogs::Catalogs;
use crate::folding::{DomainFold, Keep};

/// A record of the log, decoded or not.
#[derive(Debug, Clone)]
pub struct Item {
    /// The partition that it is of.
    pub partition: i32,
    /// The event, or why the record holds none.
    pub event: Result<EventInput, String>,
    /// The next offset once it is processed, with its `ce_id`.
    pub next: StoredOffset,
}

/// Records of one or several partitions, never empty: those of each in offset order.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The log.
    pub cluster: String,
    /// The topic.
    pub topic: Topic,
    /// The next offset of each partition as it is stored now; of one that is not named no row is there yet.
    pub from: BTreeMap<i32, i64>,
    /// The records.
    pub items: Vec<Item>,
}

/// Writes the dead letter of an item of a batch: the wire format is the caller's.
pub trait Letters: Send + Sync {
    /// The message for the topic of dead letters.
    fn letter(&self, index: usize, error: &str) -> Message;
}

/// What became of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Processed {
    /// The sums of its units.
    pub report: UnitReport,
    /// Items set aside.
    pub dead: usize,
}

/// Why a batch was not finished. What was committed before stays.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ProcessError {
    /// Wait, and process from the stored offset again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Processes batches.
pub struct Processor {
    units: Arc<dyn Units>,
    catalogs: Arc<Catalogs>,
}

impl Processor {
    /// Processes into `units`, under the catalog of the moment.
    #[must_use]
    pub fn new(units: Arc<dyn Units>, catalogs: Arc<Catalogs>) -> Self {
        Self { units, catalogs }
    }

    /// Processes a batch to its end, halved where it cannot go through whole: down to the event whose own data, fold or
    /// stored rows are at fault, which goes to the dead letters in the transaction that moves the offset past it; and as
    /// far as it takes for what the events touch to hold still.
    ///
    /// # Errors
    /// `Conflict` when another process moved an offset: go on from the stored one, at each partition, since other units of
    /// the batch may have been committed. `Contended` when even one event's contacts did not hold still: rest, and go on
    /// from the stored ones. `Unavailable`, `Inconsistent`: wait.
    pub async fn process(&self, batch: &Batch, letters: &dyn Letters) -> Result<Processed, ProcessError> {
        let fold = Arc::new(DomainFold::new(self.catalogs.current().await?, Keep::Nothing));
        let mut done = Processed::default();
        let mut from = batch.from.clone();
        let mut pending = Vec::from([std::ops::Range { start: 0, end: batch.items.len() }]);
        while let Some(range) = pending.pop() {
            let unit = unit(batch, letters, range.clone(), &from);
            let advances = unit.advances.clone();
            match self.units.run(unit, Arc::<DomainFold>::clone(&fold)).await {
                Ok(report) => {
                    done.dead += batch.items[range.clone()].iter().filter(|item| item.event.is_err()).count();
                    add(&mut done.report, &report);
                }
                Err(error) if error.asks_for_fewer() && range.len() > 1 => {
                    tracing::debug!(events = range.len(), reason = %error, "a batch is halved");
                    let middle = range.start + range.len() / 2;
                    pending.push(middle..range.end);
                    pending.push(range.start..middle);
                    continue;
                }
                Err(StoreError::Rejected(why) | StoreError::Damaged(why)) => {
                    self.set_aside(advances.clone(), letters.letter(range.start, &why)).await?;
                    tracing::warn!(error = why, "an event cannot be processed and went to the dead letters");
                    done.dead += 1;
                }
                Err(error) => return Err(error.into()),
            }
            from.extend(advances.into_iter().map(|advance| (advance.partition, advance.to.next)));
        }
        Ok(done)
    }

    /// Passes an event by: its letter and its offset, in one transaction.
    async fn set_aside(&self, advances: Vec<Advance>, letter: Message) -> Result<(), StoreError> {
        let unit = Unit { advances, letters: vec![letter], ..Unit::default() };
        let fold = Arc::new(DomainFold::new(self.catalogs.current().await?, Keep::Nothing));
        self.units.run(unit, fold).await.map(drop)
    }
}

fn unit(
    batch: &Batch,
    letters: &dyn Letters,
    range: std::ops::Range<usize>,
    from: &BTreeMap<i32, i64>,
) -> Unit {
    let mut inputs = Vec::with_capacity(range.len());
    let mut dead = Vec::new();
    for index in range.clone() {
        match &batch.items[index].event {
            Ok(event) => inputs.push(Input::Event(event.clone())),
            Err(why) => dead.push(letters.letter(index, why)),
        }
    }
    Unit { inputs, advances: advances(batch, range, from), letters: dead }
}

/// The offsets that some of the items move: each partition's, to behind the last item of its own.
fn advances(batch: &Batch, range: std::ops::Range<usize>, from: &BTreeMap<i32, i64>) -> Vec<Advance> {
    let last: BTreeMap<i32, &StoredOffset> =
        batch.items[range].iter().map(|item| (item.partition, &item.next)).collect();
    last.into_iter()
        .map(|(partition, to)| Advance {
            cluster: batch.cluster.clone(),
            topic: batch.topic,
            partition,
            from: from.get(&partition).copied(),
            to: to.clone(),
        })
        .collect()
}

fn add(sum: &mut UnitReport, report: &UnitReport) {
    sum.fresh += report.fresh;
    sum.duplicates += report.duplicates;
    sum.touches_scheduled += report.touches_scheduled;
    sum.enrolled += report.enrolled;
    sum.ended += report.ended;
    sum.commands_queued += report.commands_queued;
    sum.stopped_by.extend(&report.stopped_by);
    sum.crossed.extend(report.crossed.iter().cloned());
}

#[cfg(test)]
mod tests;
