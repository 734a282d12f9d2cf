//! What becomes of a request that ended, for its touch and for the connection.

use std::time::Duration;

use jiff::Timestamp;

use super::{Ended, Work, outcome};
use crate::commands::Carried;
use crate::outage::{Change, Reached};
use crate::send::{self, Marching, Sent};
use crate::verdict::{Pause, Why};

impl Work<'_> {
    /// Something that was in flight ended.
    pub(super) async fn land(&mut self, ended: Ended) {
        self.gate.end();
        let (pause, reached, started) = match &ended {
            Ended::Touch(Sent { pause, went_in, reached, started, .. }) => {
                match went_in {
                    Some(took) => self.pace.went(*took),
                    None => self.pace.stumbled(),
                }
                (*pause, *reached, *started)
            }
            Ended::Command(Carried { pause, reached, started, .. }) => (*pause, *reached, *started),
        };
        if let Some(pause) = pause {
            self.told_to_wait(pause);
        }
        let mut ended = ended;
        if let Some(wait) = self.heard_of_the_crm(reached, started) {
            let by = self.line.deps.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            match &mut ended {
                Ended::Touch(sent) => sent.again_by(by),
                Ended::Command(carried) => carried.again_by(by),
            }
        }
        let line = self.line;
        let kept = match ended {
            Ended::Touch(sent) => self.meanwhile(line.settled.send(sent.input)).await.is_ok(),
            Ended::Command(carried) => self.meanwhile(line.answers.send(carried.answer)).await.is_ok(),
        };
        if !kept {
            tracing::error!("a result came after settling had ended; it is taken over");
        }
    }

    /// What was marked will not start.
    pub(super) async fn void(&mut self, march: &Marching) {
        self.gate.release(1);
        let line = self.line;
        if self.meanwhile(line.settled.send(send::void(line, march))).await.is_err() {
            tracing::error!("a void mark came after settling had ended; it is taken over");
        }
    }

    /// Waits for a place in a queue. The queues hold thousands; while one is full the connection waits, which is the
    /// back-pressure wanted, but a mark that is begun holds what those who empty it may wait for.
    async fn meanwhile<T>(&mut self, place: impl Future<Output = T>) -> T {
        tokio::pin!(place);
        loop {
            tokio::select! {
                biased;
                done = &mut place => return done,
                mark = outcome(&mut self.marking) => self.marked(mark),
                looked = outcome(&mut self.looking) => self.looked(looked),
            }
        }
    }

    /// What a request's end says of the CRM; how long nothing is tried, if it is away.
    fn heard_of_the_crm(&mut self, reached: Reached, started: Duration) -> Option<Duration> {
        let name = self.line.connector.name().as_str();
        let now = self.now();
        let was_on = self.outage.is_on();
        match self.outage.ended(reached, started, now) {
            Change::None => None,
            Change::Over => {
                tracing::info!(connector = name, "the CRM answers again");
                self.gate.try_at(Duration::ZERO);
                None
            }
            Change::Wait(wait) => {
                if !was_on {
                    tracing::warn!(
                        connector = name,
                        "the CRM does not answer: it is tried with one request at a time"
                    );
                }
                self.gate.try_at(now + wait);
                Some(wait)
            }
        }
    }

    /// The first answer that says so is told of; those that were under way with it say it again.
    fn told_to_wait(&mut self, Pause { wait, why }: Pause) {
        if !self.gate.is_paused(self.now()) {
            let (connector, seconds) = (self.line.connector.name().as_str(), wait.as_secs());
            match why {
                Why::Asked => tracing::info!(connector, seconds, "the CRM asked to wait"),
                Why::Unauthorized => tracing::warn!(
                    connector,
                    seconds,
                    "the CRM refused the credentials: nothing is sent to it meanwhile; mend the connector's `auth`"
                ),
            }
        }
        self.pause(wait);
    }

    /// The whole connection waits; what is marked for it does not.
    pub(super) fn pause(&mut self, wait: Duration) {
        self.line.deps.observer.waiting(self.line.connector.name().as_str(), wait);
        self.gate.pause_until(self.now() + wait);
        self.pace.stumbled();
    }
}
