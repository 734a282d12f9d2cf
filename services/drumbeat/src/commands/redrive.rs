//! `redrive`: sends failed or unknown touches again, and has tasks taken back that stayed.

use domain::id::TouchKey;
use domain::touch::TouchState;
use engine::{Action, Subject};
use ports::dispatch::Commands as _;
use ports::queries::{Queries as _, TaskFilter};

use super::people::tell;
use super::workbench::Workbench;
use crate::cli::{Global, RedriveArgs};
use crate::exit::{Failure, Outcome};
use crate::output;

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
    let mut withdrawals = 0;
    for key in keys {
        if !args.all_failed && bench.store.task(&global.workspace, key).await?.is_none() {
            return Err(Failure::Refused(format!(
                "there is no touch {key} in workspace {}; `drumbeat tasks list --state failed` shows what failed",
                global.workspace
            )));
        }
        // What is to be taken back is not to be sent.
        let again =
            if args.all_failed { 0 } else { bench.store.command_again(&global.workspace, key).await? };
        if again > 0 {
            withdrawals += again;
            continue;
        }
        acts.push(bench.act_of(global, Subject::Touch(key), Action::Redrive)?);
    }
    if withdrawals > 0 {
        eprintln!("{} tried again", output::count(withdrawals, "withdrawal"));
        if acts.is_empty() {
            return output::show(global.output, &Vec::<()>::new(), || {});
        }
    }
    let decided = bench.people().act_all(acts).await?;
    tell(global, &decided)
}
