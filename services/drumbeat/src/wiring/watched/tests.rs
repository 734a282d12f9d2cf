//! What is told of units that stopped somebody.

use super::*;
use crate::wiring::clock::SystemClock;

/// Reports what it was made with.
struct Reports(UnitReport);

#[async_trait]
impl Units for Reports {
    async fn run(&self, _: Unit, _: Arc<dyn Fold>) -> StoreResult<UnitReport> {
        Ok(self.0.clone())
    }

    async fn due_timers(&self, _: usize) -> StoreResult<Vec<TimerInput>> {
        Ok(Vec::new())
    }

    async fn next_timer(&self, _: &[TimerKind]) -> StoreResult<Option<Timestamp>> {
        Ok(None)
    }

    async fn now(&self) -> StoreResult<Timestamp> {
        Ok(Timestamp::UNIX_EPOCH)
    }

    fn business(&self) -> BusinessClock {
        BusinessClock::REAL
    }
}

struct Nothing;

impl Fold for Nothing {
    fn catalog(&self) -> Arc<Catalog> {
        unreachable!("nothing is folded")
    }

    fn reach(&self, _: &EventInput) -> Reach {
        Reach::Contact
    }

    fn fold(&self, _: &mut World, _: &[Admitted]) -> Result<(), FoldError> {
        Ok(())
    }
}

async fn told(report: UnitReport) -> String {
    let metrics = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let watched = Watched::new(&Arc::new(Reports(report)), &clock, &metrics);
    let unit = Unit::default();
    watched.run(unit, Arc::new(Nothing)).await.unwrap();
    metrics.render().unwrap()
}

#[tokio::test]
async fn only_what_stopped_somebody_has_an_exit_latency() {
    let clock = SystemClock::new();
    let exits = told(UnitReport {
        fresh: 5,
        ended: 2,
        stopped_by: vec![clock.now(), clock.now()],
        ..UnitReport::default()
    });
    let none = told(UnitReport { fresh: 5, enrolled: 5, ..UnitReport::default() });

    assert!(exits.await.contains("drumbeat_exit_latency_seconds_count 2"));
    assert!(!none.await.contains("drumbeat_exit_latency_seconds_count 1"));
}

#[tokio::test]
async fn a_touch_that_left_just_before_its_stop_is_counted_at_its_connector() {
    let crossed = vec!["crm".parse().unwrap()];

    let told = told(UnitReport { crossed, ..UnitReport::default() }).await;

    assert!(told.contains("drumbeat_touches_crossed_total{crm=\"crm\"} 1"), "{told}");
}
