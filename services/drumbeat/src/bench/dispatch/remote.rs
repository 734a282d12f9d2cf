//! Dispatch over HTTP to a CRM that does nothing, against what the same client does to it without a store.

use std::num::NonZeroU32;

use domain::decide::task;
use domain::id::TouchKey;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use ports::connector::{Connector, Task};
use ports::dispatch::Dispatch as _;
use uuid::Uuid;

use super::super::report::tell;
use super::super::row::Row;
use super::super::sample::rate;
use super::super::setup::{CONNECTOR, Deployment, Side};
use super::{A_SECOND, Bench, row, unfinished};
use crate::exit::Failure;
use crate::wiring;

impl Bench {
    /// The client alone, then the dispatcher with it.
    pub(super) async fn over_http(
        &mut self,
        side: &Side,
        deployment: &Deployment,
        at_a_time: u32,
    ) -> Result<Vec<Row>, Failure> {
        let mut config = deployment.config.clone();
        if let Some(at_a_time) = NonZeroU32::new(at_a_time) {
            config.dispatch.concurrency = at_a_time;
        }
        let all = wiring::connectors(&config, &self.clock)?;
        let connector = all.into_iter().find(|one| one.name().as_str() == CONNECTOR);
        let connector =
            connector.ok_or_else(|| Failure::Refused("the bench's connector is not there".to_owned()))?;
        tell(&format!("dispatch: the client alone, {at_a_time} at a time, against a CRM that does nothing"));
        let bare = self.client_alone(connector.as_ref()).await?;
        let what = format!("requests of the client alone, {at_a_time} at a time");
        let reference = Row::new("reference", side.store_name(), what)
            .rate(bare)
            .note("R_client: to a CRM that does nothing, without a store");
        let count = A_SECOND * usize::try_from(self.time.as_secs()).unwrap_or(usize::MAX);
        tell(&format!("dispatch on {}: {count} touches come due and go over HTTP", side.store_name()));
        let (seen, done, took) = self.drained(connector, count).await?;
        let measured = row(side, &format!("whole cycle, over HTTP, {at_a_time} at a time"), count)
            .rate(rate(done, took))
            .against("R_client", Some(bare))
            .note_if(unfinished(count, done))
            .note_if(seen.other());
        Ok(vec![reference, measured])
    }

    /// Requests as the dispatcher would send, as many at a time, with nothing behind them.
    async fn client_alone(&self, connector: &dyn Connector) -> Result<f64, Failure> {
        let world = self.store.view(&[self.soon.touch.id], self.catalogs.current().await?).await?;
        let wrong = |error: String| Failure::Refused(format!("a task of the bench: {error}"));
        let canonical = task(&world, self.soon.touch.id).map_err(|note| wrong(note.text))?;
        let body = connector.render(&canonical).map_err(|error| wrong(error.to_string()))?;
        let send = |number: usize| {
            let task = Task {
                key: TouchKey(Uuid::from_u128(number as u128)),
                attempt: 1,
                body: body.clone(),
                channel: self.soon.touch.channel,
                trace: None,
            };
            async move { connector.create(&task).await }
        };
        let began = self.clock.monotonic();
        let until = began + self.time;
        let (mut number, mut done) = (0, 0);
        let mut flying = FuturesUnordered::new();
        while number < connector.traits().concurrency {
            flying.push(send(number));
            number += 1;
        }
        while let Some(answer) = flying.next().await {
            answer.map_err(|error| wrong(error.to_string()))?;
            done += 1;
            if self.clock.monotonic() < until {
                flying.push(send(number));
                number += 1;
            }
        }
        Ok(rate(done, self.clock.monotonic().saturating_sub(began)))
    }
}
