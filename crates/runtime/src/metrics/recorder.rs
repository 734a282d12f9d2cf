//! The handle that services record with.

use std::sync::Arc;
use std::time::Duration;

use prometheus::GaugeVec;
use prometheus::HistogramOpts;
use prometheus::HistogramVec;
use prometheus::IntCounterVec;
use prometheus::IntGaugeVec;
use prometheus::Opts;
use prometheus::Registry;
use prometheus::TextEncoder;

use super::definitions as define;
use super::definitions::Definition;
use super::definitions::Kind;
use super::labels::Bounded;

/// Cadences with a label of their own.
const MOST_CADENCES: usize = 1000;

/// Reasons with a label of their own: words of the code, of which there are fewer.
const MOST_REASONS: usize = 200;

/// How a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectorState {
    /// Requests may go.
    Open,
    /// As many as may be are in flight.
    Busy,
    /// Its own limit is used up.
    RateLimited,
    /// The CRM asked to wait, or does not know us.
    Paused,
    /// Nothing gets through to the CRM.
    Away,
}

impl ConnectorState {
    const ALL: [Self; 5] = [Self::Open, Self::Busy, Self::RateLimited, Self::Paused, Self::Away];

    fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Busy => "busy",
            Self::RateLimited => "rate_limited",
            Self::Paused => "paused",
            Self::Away => "away",
        }
    }
}

/// The metrics of a process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    cadences: Bounded,
    reasons: Bounded,
    build_info: IntGaugeVec,
    ready: IntGaugeVec,
    events_ingested: IntCounterVec,
    ingest_seconds: HistogramVec,
    decisions: IntCounterVec,
    exits: IntCounterVec,
    exit_latency: HistogramVec,
    unit_events: HistogramVec,
    unit_seconds: HistogramVec,
    rule_eval: HistogramVec,
    steps_due: IntGaugeVec,
    oldest_due_step: GaugeVec,
    step_lateness: HistogramVec,
    dispatch_attempts: IntCounterVec,
    dispatch_seconds: HistogramVec,
    ratelimit_wait: HistogramVec,
    crossed: IntCounterVec,
    withdrawals_given_up: IntCounterVec,
    dead_letters: IntCounterVec,
    consumer_lag: IntGaugeVec,
    outbox_pending: IntGaugeVec,
    store_seconds: HistogramVec,
    store_errors: IntCounterVec,
    connector_state: IntGaugeVec,
    connector_requests: IntGaugeVec,
    set_aside: IntGaugeVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry of its own with every metric in it.
    #[must_use]
    pub fn new() -> Self {
        let registry = Registry::new();
        let inner = Inner {
            cadences: Bounded::new(MOST_CADENCES),
            reasons: Bounded::new(MOST_REASONS),
            build_info: integer(&registry, &define::BUILD_INFO),
            ready: integer(&registry, &define::READY),
            events_ingested: counter(&registry, &define::EVENTS_INGESTED),
            ingest_seconds: histogram(&registry, &define::INGEST_SECONDS),
            decisions: counter(&registry, &define::DECISIONS),
            exits: counter(&registry, &define::EXITS),
            exit_latency: histogram(&registry, &define::EXIT_LATENCY),
            unit_events: histogram(&registry, &define::UNIT_EVENTS),
            unit_seconds: histogram(&registry, &define::UNIT_SECONDS),
            rule_eval: histogram(&registry, &define::RULE_EVAL),
            steps_due: integer(&registry, &define::STEPS_DUE),
            oldest_due_step: gauge(&registry, &define::OLDEST_DUE_STEP),
            step_lateness: histogram(&registry, &define::STEP_LATENESS),
            dispatch_attempts: counter(&registry, &define::DISPATCH_ATTEMPTS),
            dispatch_seconds: histogram(&registry, &define::DISPATCH_SECONDS),
            ratelimit_wait: histogram(&registry, &define::RATELIMIT_WAIT),
            crossed: counter(&registry, &define::CROSSED),
            withdrawals_given_up: counter(&registry, &define::WITHDRAWALS_GIVEN_UP),
            dead_letters: counter(&registry, &define::DEAD_LETTERS),
            consumer_lag: integer(&registry, &define::CONSUMER_LAG),
            outbox_pending: integer(&registry, &define::OUTBOX_PENDING),
            store_seconds: histogram(&registry, &define::STORE_SECONDS),
            store_errors: counter(&registry, &define::STORE_ERRORS),
            connector_state: integer(&registry, &define::CONNECTOR_STATE),
            connector_requests: integer(&registry, &define::CONNECTOR_REQUESTS),
            set_aside: integer(&registry, &define::SET_ASIDE),
            registry,
        };
        Self(Arc::new(inner))
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// When two metrics contradict each other, which the definitions do not.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.0.registry.gather())
    }

    /// Says which build runs as what.
    pub fn build(&self, version: &str, role: &str) {
        self.0.build_info.with_label_values(&[version, role]).set(1);
    }

    /// Says whether a component is ready.
    pub fn ready(&self, report: &crate::health::Report) {
        for check in &report.checks {
            self.0.ready.with_label_values(&[check.name]).set(i64::from(check.ready && !report.draining));
        }
    }

    /// Counts events of a delivery, or a refused delivery under its problem's slug.
    pub fn events_ingested(&self, source: &str, outcome: &'static str, count: u64) {
        self.0.events_ingested.with_label_values(&[source, outcome]).inc_by(count);
    }

    /// Observes the time a delivery took.
    pub fn delivery_answered(&self, source: &str, took: Duration) {
        self.0.ingest_seconds.with_label_values(&[source]).observe(took.as_secs_f64());
    }

    /// Counts decisions of a cadence; an empty name is none.
    pub fn decided(&self, cadence: &str, outcome: &'static str, reason: &str, count: u64) {
        let (cadence, reason) = (self.0.cadences.admit(cadence), self.0.reasons.admit(reason));
        self.0.decisions.with_label_values(&[cadence, outcome, reason]).inc_by(count);
    }

    /// Counts exits.
    pub fn exited(&self, cadence: &str, reason: &str, count: u64) {
        let (cadence, reason) = (self.0.cadences.admit(cadence), self.0.reasons.admit(reason));
        self.0.exits.with_label_values(&[cadence, reason]).inc_by(count);
    }

    /// Observes the time from an exit event's acceptance to its effect.
    pub fn exit_applied(&self, after: Duration) {
        self.0.exit_latency.with_label_values::<&str>(&[]).observe(after.as_secs_f64());
    }

    /// Observes a committed unit of work.
    #[expect(clippy::cast_precision_loss, reason = "a batch never holds 2^52 events")]
    pub fn unit_committed(&self, events: usize, took: Duration) {
        self.0.unit_events.with_label_values::<&str>(&[]).observe(events as f64);
        self.0.unit_seconds.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
    }

    /// Observes how long the rules took for one input.
    pub fn rules_evaluated(&self, took: Duration) {
        self.0.rule_eval.with_label_values::<&str>(&[]).observe(took.as_secs_f64());
    }

    /// Says how many steps are due, and how long the oldest has been.
    pub fn steps_due(&self, count: u64, oldest: Duration) {
        self.0.steps_due.with_label_values::<&str>(&[]).set(i64::try_from(count).unwrap_or(i64::MAX));
        self.0.oldest_due_step.with_label_values::<&str>(&[]).set(oldest.as_secs_f64());
    }

    /// Observes how late a step's request began.
    pub fn step_dispatched(&self, late: Duration) {
        self.0.step_lateness.with_label_values::<&str>(&[]).observe(late.as_secs_f64());
    }

    /// Counts an attempt at a CRM and observes the time its request took, where one was made.
    pub fn dispatch_attempted(&self, connector: &str, outcome: &'static str, took: Option<Duration>) {
        self.0.dispatch_attempts.with_label_values(&[connector, outcome]).inc();
        if let Some(took) = took {
            self.0.dispatch_seconds.with_label_values(&[connector]).observe(took.as_secs_f64());
        }
    }

    /// Observes how long a step waited for a connector's permit.
    pub fn permit_waited(&self, connector: &str, waited: Duration) {
        self.0.ratelimit_wait.with_label_values(&[connector]).observe(waited.as_secs_f64());
    }

    /// Counts a touch that an exit just missed.
    pub fn crossed(&self, connector: &str) {
        self.0.crossed.with_label_values(&[connector]).inc();
    }

    /// Counts a task that stays in a CRM though it was to be taken back.
    pub fn withdrawal_given_up(&self, connector: &str) {
        self.0.withdrawals_given_up.with_label_values(&[connector]).inc();
    }

    /// Counts an event given up.
    pub fn dead_lettered(&self, stage: &'static str) {
        self.0.dead_letters.with_label_values(&[stage]).inc();
    }

    /// Says how many messages of a partition wait for a group; `None` when nobody can tell.
    pub fn consumer_lag(&self, group: &str, (topic, partition): (&str, i32), waiting: Option<u64>) {
        let partition = partition.to_string();
        let labels = [group, topic, partition.as_str()];
        match waiting {
            Some(count) => {
                self.0.consumer_lag.with_label_values(&labels).set(i64::try_from(count).unwrap_or(i64::MAX));
            }
            // Fails when it was never set, and then there is nothing to remove.
            None => drop(self.0.consumer_lag.remove_label_values(&labels)),
        }
    }

    /// Says how many messages wait in the outbox.
    pub fn outbox_pending(&self, count: u64) {
        self.0.outbox_pending.with_label_values::<&str>(&[]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Says how much of a list waits for a person.
    pub fn set_aside(&self, list: &'static str, count: u64) {
        self.0.set_aside.with_label_values(&[list]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Observes an operation of the store; `failed` says how, when it did.
    pub fn store_answered(&self, operation: &'static str, took: Duration, failed: Option<&'static str>) {
        self.0.store_seconds.with_label_values(&[operation]).observe(took.as_secs_f64());
        if let Some(kind) = failed {
            self.0.store_errors.with_label_values(&[operation, kind]).inc();
        }
    }

    /// Says how a connection stands and how many requests it has in flight.
    pub fn connector(&self, connector: &str, state: ConnectorState, open: usize) {
        for one in ConnectorState::ALL {
            self.0.connector_state.with_label_values(&[connector, one.as_str()]).set(i64::from(one == state));
        }
        let open = i64::try_from(open).unwrap_or(i64::MAX);
        self.0.connector_requests.with_label_values(&[connector]).set(open);
    }
}

fn options(definition: &Definition) -> Opts {
    Opts::new(definition.name, definition.help)
}

fn counter(registry: &Registry, definition: &Definition) -> IntCounterVec {
    let made = IntCounterVec::new(options(definition), definition.labels);
    register(registry, made.expect("a test makes every definition"))
}

fn integer(registry: &Registry, definition: &Definition) -> IntGaugeVec {
    let made = IntGaugeVec::new(options(definition), definition.labels);
    register(registry, made.expect("a test makes every definition"))
}

fn gauge(registry: &Registry, definition: &Definition) -> GaugeVec {
    let made = GaugeVec::new(options(definition), definition.labels);
    register(registry, made.expect("a test makes every definition"))
}

fn histogram(registry: &Registry, definition: &Definition) -> HistogramVec {
    let buckets = match definition.kind {
        Kind::Histogram(bounds) => bounds.to_vec(),
        Kind::Counter | Kind::Gauge => Vec::new(),
    };
    let options = HistogramOpts { common_opts: options(definition), buckets };
    let made = HistogramVec::new(options, definition.labels);
    register(registry, made.expect("a test makes every definition"))
}

fn register<C: prometheus::core::Collector + Clone + 'static>(registry: &Registry, collector: C) -> C {
    registry.register(Box::new(collector.clone())).expect("a test finds every name once");
    collector
}
