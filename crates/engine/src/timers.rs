//! Timers other than touches: waits, overdue tasks, pauses, ends.

use std::sync::Arc;

use domain::input::Input;
use ports::unit::{Unit, UnitReport, Units};
use ports::{StoreError, StoreResult};

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

/// Fires at most `limit` due timers in one unit.
///
/// When one timer's fold is at fault the others are fired without it, one by one, and the fault is logged: its timer
/// stays and is tried again at the next call.
///
/// # Errors
/// When the store cannot be reached.
pub async fn fire_due(units: &dyn Units, catalogs: &Catalogs, limit: usize) -> StoreResult<Fired> {
    let due = units.due_timers(limit).await?;
    if due.is_empty() {
        return Ok(Fired::default());
    }
    let found = due.len();
    let fold = Arc::new(DomainFold::new(catalogs.current().await?, Keep::Nothing));
    let inputs: Vec<Input> = due.into_iter().map(Input::Timer).collect();
    match run(units, &fold, inputs.clone()).await {
        Ok(_) => Ok(Fired { found, stuck: 0 }),
        Err(StoreError::Rejected(_)) => {
            let mut stuck = 0;
            for input in inputs {
                match run(units, &fold, vec![input]).await {
                    Ok(_) => {}
                    Err(error) if error.is_transient() => return Err(error),
                    Err(error) => {
                        stuck += 1;
                        tracing::error!(error = %error, "a timer cannot be fired");
                    }
                }
            }
            Ok(Fired { found, stuck })
        }
        Err(error) => Err(error),
    }
}

async fn run(units: &dyn Units, fold: &Arc<DomainFold>, inputs: Vec<Input>) -> StoreResult<UnitReport> {
    let unit = Unit { inputs, advance: None, letters: Vec::new() };
    units.run(unit, Arc::<DomainFold>::clone(fold)).await
}
