//! Bytes on disk for each live enrollment, beside its person and its history.

use std::sync::Arc;

use engine::Catalogs;
use store::Store;

use super::Run;
use super::fill::{Due, Filler, Pattern, Rows};
use super::people::{CADENCES, People};
use super::report::tell;
use super::row::{Better, Row};
use super::setup::{Deployment, Side, apply};
use crate::exit::{Failure, Outcome};

/// People, enrollments, and entries.
const COUNT: usize = 50_000;
/// Of a quick run.
const FEW: usize = 5000;

/// Measures how a set's store grows: by people alone, by their enrollments, and by entries with all that they leave.
pub(super) async fn measure(run: &mut Run, side: &Side) -> Outcome {
    let count = if run.is_quick() { FEW } else { COUNT };
    let deployment = Deployment::make(side, "space", None).await?;
    let mut grown = Growth::start(&deployment).await?;
    let (store, catalogs) = deployment.store().await?;
    let mut filler = Filler::new(&store, &catalogs, &deployment.clock);
    let due = Due::After(deployment.clock.now());
    let pattern = Pattern::of(&store, "later").await?;
    tell(&format!("space on {}: {count} people, then their enrollments", side.store_name()));
    filler.add(&pattern, count, (due, Rows::People)).await?;
    let person = grown.by(count, (store, catalogs)).await?;

    let (store, catalogs) = deployment.store().await?;
    filler.goes_on_with(&store, &catalogs);
    filler.add(&pattern, count, (due, Rows::Enrollments)).await?;
    let enrollment = grown.by(count, (store, catalogs)).await?;

    tell(&format!("space on {}: {count} entries with their history", side.store_name()));
    let (store, catalogs) = deployment.store().await?;
    let mut people = People::new(&store, &catalogs, &deployment.clock)?;
    // The first of them is there already, and would be a duplicate.
    people.go_on_from(&store, 1).await?;
    let now = deployment.clock.now();
    people.enter("later", count, |_| now).await?;
    let entry = grown.by(count, (store, catalogs)).await?;

    let row = |what: &str, bytes: f64| {
        Row::new("space", side.store_name(), what)
            .amount(bytes, "B", Better::Lower)
            .note(format!("of {count}"))
    };
    run.report.add(row("a live enrollment: its row, its touch, its timer, with their indexes", enrollment));
    run.report.add(row("its person: contact and identity", person));
    let history = entry - enrollment - person;
    let history = row("its history at entry: event, decision, digest, outbox", history);
    run.report.add(history.note("the outbox goes once it is relayed"));
    deployment.remove().await
}

/// A store's size, step by step.
struct Growth<'a> {
    deployment: &'a Deployment,
    bytes: f64,
}

impl<'a> Growth<'a> {
    /// With somebody to copy in it.
    async fn start(deployment: &'a Deployment) -> Result<Self, Failure> {
        let (store, catalogs) = deployment.store().await?;
        apply(&store, CADENCES.map(str::to_owned).to_vec()).await?;
        let now = deployment.clock.now();
        People::new(&store, &catalogs, &deployment.clock)?.enter("later", 1, |_| now).await?;
        store.close().await;
        Ok(Self { deployment, bytes: deployment.bytes().await? })
    }

    /// Closes the store, and gives by how many bytes it grew, for each of so many.
    async fn by(
        &mut self,
        count: usize,
        (store, catalogs): (Arc<Store>, Arc<Catalogs>),
    ) -> Result<f64, Failure> {
        drop(catalogs);
        store.close().await;
        let before = std::mem::replace(&mut self.bytes, self.deployment.bytes().await?);
        #[expect(clippy::cast_precision_loss, reason = "counts of a run are far below 2^52")]
        let count = count as f64;
        Ok((self.bytes - before) / count)
    }
}
