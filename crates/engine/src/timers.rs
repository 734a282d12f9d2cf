//! Timers other than touches: waits, overdue tasks, pauses, ends.

use std::sync::Arc;

use domain::input::Input;
use ports::unit::{Unit, UnitReport, Units};
use ports::{StoreError, StoreResult};

use crate::catalogs::Catalogs;
use crate::folding::{DomainFold, Keep};

/// Fires at most `limit` due timers in one unit; says how many were found. Call again at once while it finds `limit`.
///
/// When one timer's fold is at fault the others are fired without it, one by one, and the fault is logged: its timer
/// stays and is tried again at the next call.
///
/// # Errors
/// When the store cannot be reached.
pub async fn fire_due(
    units: &dyn Units,
    catalogs: &Catalogs,
    limit: usize,
) -> StoreResult<(usize, UnitReport)> {
    let due = units.due_timers(limit).await?;
    if due.is_empty() {
        return Ok((0, UnitReport::default()));
    }
    let found = due.len();
    let fold = Arc::new(DomainFold::new(catalogs.current().await?, Keep::Nothing));
    let inputs: Vec<Input> = due.into_iter().map(Input::Timer).collect();
    match run(units, &fold, inputs.clone()).await {
        Err(StoreError::Rejected(_)) if inputs.len() > 1 => {
            for input in inputs {
                if let Err(error) = run(units, &fold, vec![input]).await {
                    if error.is_transient() {
                        return Err(error);
                    }
                    tracing::error!(error = %error, "a timer cannot be fired");
                }
            }
            Ok((found, UnitReport::default()))
        }
        Err(StoreError::Rejected(why)) => {
            tracing::error!(error = why, "a timer cannot be fired");
            Ok((0, UnitReport::default()))
        }
        other => other.map(|report| (found, report)),
    }
}

async fn run(units: &dyn Units, fold: &Arc<DomainFold>, inputs: Vec<Input>) -> StoreResult<UnitReport> {
    let unit = Unit { inputs, advance: None, letters: Vec::new() };
    units.run(unit, Arc::<DomainFold>::clone(fold)).await
}
