//! Units and what belongs to them: due timers, the store's now.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use domain::id::EnrollmentId;
use domain::input::TimerInput;
use domain::time::BusinessClock;
use domain::touch::TimerKind;
use jiff::Timestamp;
use ports::unit::{Fold, Unit, UnitReport, Units};
use ports::wake::Wake;
use ports::{StoreError, StoreResult};

use crate::Store;
use crate::dispatch::pick;
use crate::error::{Fail, known};
use crate::sql::{micros, moment};
use crate::unit::{FINDS, UnitWork, ids_for};

/// How often a fold is given more ids: each time four times as many.
const REFILLS: u32 = 8;

#[async_trait]
impl Units for Store {
    #[tracing::instrument(name = "store.unit", level = "debug", skip_all, fields(inputs = unit.inputs.len()))]
    async fn run(&self, unit: Unit, fold: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        let unit = Arc::new(unit);
        let hint = Arc::new(Mutex::default());
        let mut ids = ids_for(&unit);
        let (mut finds, mut refills) = (1, 0);
        loop {
            let work = UnitWork {
                unit: Arc::clone(&unit),
                fold: Arc::clone(&fold),
                keys: Arc::clone(&self.keys),
                dedupe_for: self.dedupe_for,
                ids: self.ids.reserve(&self.database, ids).await.map_err(Fail::into_error)?,
                hint: Arc::clone(&hint),
            };
            match self.database.transact(Arc::new(work)).await {
                Err(Fail::Grew) if finds < FINDS => finds += 1,
                Err(Fail::OutOfIds) if refills < REFILLS => {
                    refills += 1;
                    ids *= 4;
                }
                // A unit of fewer inputs locks less, for a shorter time.
                Err(Fail::Contended(why)) => return Err(StoreError::Contended(why)),
                Err(fail) => return Err(fail.into_error()),
                Ok(report) => {
                    fail::fail_point!("store.unit.committed");
                    self.announce(&unit, &report);
                    return Ok(report);
                }
            }
        }
    }

    async fn due_timers(&self, limit: usize) -> StoreResult<Vec<TimerInput>> {
        let read = async {
            let mut conn = self.database.reader().await?;
            let now = self.business_now(&mut conn).await?;
            let stmt = conn
                .stmt("select m.enrollment, m.kind, m.due_at from timers m where m.held is null and m.lane is null and m.due_at <= ")
                .bind(micros(now))
                .sql(" order by m.due_at limit ")
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
            let mut due = Vec::new();
            for row in conn.fetch(stmt).await? {
                let mut row = row.cursor();
                let enrollment = EnrollmentId(row.int()?);
                // A timer that cannot be read keeps its enrollment still, not the others.
                let Ok(kind) = known(TimerKind::parse(&row.text()?), "kind of timer") else {
                    tracing::error!(enrollment = enrollment.0, "a timer's kind is unknown to this version");
                    continue;
                };
                due.push(TimerInput { enrollment, kind, due_at: moment(row.int()?) });
            }
            Ok(due)
        };
        self.reading(read).await
    }

    async fn next_timer(&self, kinds: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        let others =
            kinds.iter().filter(|kind| **kind != TimerKind::Touch).map(|kind| kind.as_str().to_owned());
        let read = async {
            let mut conn = self.database.reader().await?;
            let stmt = conn
                .stmt("select m.due_at from timers m where m.held is null and m.lane is null and m.kind")
                .any_text(others)
                .sql(" order by m.due_at limit 1");
            Ok(conn.first(stmt).await?.map(|row| row.cursor().int()).transpose()?.map(moment))
        };
        let other = self.reading(read).await?;
        let touch = if kinds.contains(&TimerKind::Touch) {
            self.reading(pick::next_due(self, None)).await?
        } else {
            None
        };
        Ok(other.into_iter().chain(touch).min())
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        let read = async {
            let mut conn = self.database.reader().await?;
            self.business_now(&mut conn).await
        };
        self.reading(read).await
    }

    fn business(&self) -> BusinessClock {
        self.database.time.business()
    }
}

impl Store {
    fn announce(&self, unit: &Unit, report: &UnitReport) {
        if report.touches_scheduled > 0 {
            self.signals.raise(Wake::Touches);
        }
        if report.commands_queued > 0 {
            self.signals.raise(Wake::Commands);
        }
        if report.fresh > 0 || !unit.letters.is_empty() {
            self.signals.raise(Wake::Timers);
            self.signals.raise(Wake::Outbox);
        }
    }
}
