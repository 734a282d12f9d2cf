//! Timers other than touches: waits, overdue tasks, pauses, ends.

use std::sync::Arc;

use domain::input::Input;
use ports::StoreResult;
use ports::unit::{Unit, UnitReport, Units};

use crate::catalogs::Catalogs;
use crate::folding::{DomainFold, Keep};

/// What a call of [`fire_due`] came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fired {
    /// Timers that were found due; as many as were asked for: call again at once.
    pub found: usize,
    /// Timers whose fold is at fault. They stay, so rest before the next call.
    pub stuck: usize,
}

/// Fires at most `limit` due timers, in one unit where all go through, else halved down to those that do not.
///
/// A timer whose own fold or rows are at fault, or whose contact does not hold still, is logged and stays: it is tried
/// again at the next call.
///
/// # Errors
/// When the store cannot be reached.
pub async fn fire_due(units: &dyn Units, catalogs: &Catalogs, limit: usize) -> StoreResult<Fired> {
    let due = units.due_timers(limit).await?;
    if due.is_empty() {
        return Ok(Fired::default());
    }
    let mut fired = Fired { found: due.len(), stuck: 0 };
    let fold = Arc::new(DomainFold::new(catalogs.current().await?, Keep::Nothing));
    let mut pending: Vec<Vec<Input>> = vec![due.into_iter().map(Input::Timer).collect()];
    while let Some(mut inputs) = pending.pop() {
        match run(units, &fold, inputs.clone()).await {
            Ok(_) => {}
            Err(error) if error.asks_for_fewer() && inputs.len() > 1 => {
                let second = inputs.split_off(inputs.len() / 2);
                pending.push(second);
                pending.push(inputs);
            }
            Err(error) if error.asks_for_fewer() => {
                fired.stuck += 1;
                tracing::error!(error = %error, "a timer cannot be fired");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(fired)
}

async fn run(units: &dyn Units, fold: &Arc<DomainFold>, inputs: Vec<Input>) -> StoreResult<UnitReport> {
    let unit = Unit { inputs, ..Unit::default() };
    units.run(unit, Arc::<DomainFold>::clone(fold)).await
}
