//! `redrive`: sends failed or unknown touches again.

use domain::id::TouchKey;
use domain::touch::TouchState;
use engine::{Action, Subject};
use ports::queries::{Queries as _, TaskFilter};

use super::people::tell;
use super::workbench::Workbench;
use crate::cli::{Global, RedriveArgs};
use crate::exit::{Failure, Outcome};

/// The most that one call drives.
const MOST: usize = 10_000;

pub(super) async fn run(global: &Global, args: &RedriveArgs) -> Outcome {
    let bench = Workbench::open(global).await?;
    let keys: Vec<TouchKey> = if args.all_failed {
        let filter = TaskFilter { state: Some(TouchState::Failed), limit: MOST, ..TaskFilter::default() };
        bench.store.tasks(&global.workspace, &filter).await?.into_iter().map(|task| task.touch.key).collect()
    } else {
        args.keys.iter().copied().map(TouchKey).collect()
    };
    let mut acts = Vec::with_capacity(keys.len());
    for key in keys {
        if !args.all_failed && bench.store.task(&global.workspace, key).await?.is_none() {
            return Err(Failure::Refused(format!(
                "there is no touch {key} in workspace {}; `drumbeat tasks list --state failed` shows what failed",
                global.workspace
            )));
        }
        acts.push(bench.act_of(global, Subject::Touch(key), Action::Redrive)?);
    }
    let decided = bench.people().act_all(acts).await?;
    tell(global, &decided)
}
