//! Every metric: name, kind, unit, labels, help.

/// What a metric is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// A value now.
    Gauge,
    /// Observations in buckets with these upper bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// What a metric counts or measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Seconds of wall time.
    Seconds,
    /// A number of things.
    Count,
}

impl Unit {
    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Count => "count",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What it is to Prometheus.
    pub kind: Kind,
    /// What it counts or measures.
    pub unit: Unit,
    /// Its labels, in order.
    pub labels: &'static [&'static str],
    /// Which roles serve it.
    pub roles: &'static [&'static str],
    /// What must have happened before it is served at all; `None`: whenever the role works.
    pub only_when: Option<&'static str>,
    /// What it says.
    pub help: &'static str,
}

const EVERY: &[&str] = &["every role"];
const INGEST: &[&str] = &["ingest"];
const ENROLLMENT: &[&str] = &["enrollment"];
const DISPATCHER: &[&str] = &["dispatcher"];
const READERS: &[&str] = &["ingest", "enrollment"];
const STORE: &[&str] = &["enrollment", "dispatcher"];

/// From a fast answer to a slow one.
const REQUEST: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
/// From "at once" to "a day late", with the aims among them: 10, 25, 100 and 150 ms.
const LATENESS: &[f64] = &[
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 86_400.0,
];
/// From a microsecond to a tenth of a second.
const EVALUATION: &[f64] = &[0.000_001, 0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1];
/// Events in one unit of work.
const BATCH: &[f64] = &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];

/// The build that runs.
pub const BUILD_INFO: Definition = Definition {
    name: "drumbeat_build_info",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["version", "role"],
    roles: EVERY,
    only_when: None,
    help: "1, with the version of the build and the role of the process",
};

/// Whether the process is ready.
pub const READY: Definition = Definition {
    name: "drumbeat_ready",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["component"],
    roles: EVERY,
    only_when: None,
    help: "1 when the component is ready, else 0",
};

/// Events taken from webhooks.
pub const EVENTS_INGESTED: Definition = Definition {
    name: "drumbeat_events_ingested_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["source", "outcome"],
    roles: INGEST,
    only_when: None,
    help: "Events of deliveries by outcome: accepted, quarantined or ignored; and deliveries refused, by the problem's name. What is sent to no configured source shares one label",
};

/// How long webhooks waited for their answer.
pub const INGEST_SECONDS: Definition = Definition {
    name: "drumbeat_ingest_duration_seconds",
    kind: Kind::Histogram(REQUEST),
    unit: Unit::Seconds,
    labels: &["source"],
    roles: INGEST,
    only_when: None,
    help: "Time from the first byte of a delivery to its answer, the bus's acknowledgement included",
};

/// Decisions on events.
pub const DECISIONS: Definition = Definition {
    name: "drumbeat_enrollment_decisions_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["cadence", "outcome", "reason"],
    roles: ENROLLMENT,
    only_when: None,
    help: "What was decided, by cadence, with the reason: enrolled, refused, exited, finished, paused, resumed; and events that change nothing, as ignored, without a cadence. The dispatcher tells of those that a touch's result set off",
};

/// Exits.
pub const EXITS: Definition = Definition {
    name: "drumbeat_exits_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["cadence", "reason"],
    roles: ENROLLMENT,
    only_when: None,
    help: "Enrollments that left their cadence, by the rule that said so. The dispatcher tells of those that a touch's result set off",
};

/// How long after its acceptance a stopping event had its effect.
pub const EXIT_LATENCY: Definition = Definition {
    name: "drumbeat_exit_latency_seconds",
    kind: Kind::Histogram(LATENESS),
    unit: Unit::Seconds,
    labels: &[],
    roles: ENROLLMENT,
    only_when: None,
    help: "Time from the 2xx of a reply, opt-out or other exit event to the commit that stopped the enrollment",
};

/// Events per unit of work.
pub const UNIT_EVENTS: Definition = Definition {
    name: "drumbeat_unit_events",
    kind: Kind::Histogram(BATCH),
    unit: Unit::Count,
    labels: &[],
    roles: ENROLLMENT,
    only_when: None,
    help: "Events in one unit of work, one transaction",
};

/// How long a unit of work took.
pub const UNIT_SECONDS: Definition = Definition {
    name: "drumbeat_unit_duration_seconds",
    kind: Kind::Histogram(REQUEST),
    unit: Unit::Seconds,
    labels: &[],
    roles: ENROLLMENT,
    only_when: None,
    help: "Time of one unit of work from its first statement to its commit",
};

/// How late steps went out.
pub const STEP_LATENESS: Definition = Definition {
    name: "drumbeat_step_lateness_seconds",
    kind: Kind::Histogram(LATENESS),
    unit: Unit::Seconds,
    labels: &[],
    roles: DISPATCHER,
    only_when: None,
    help: "Time from the moment a step fell due, or was to be tried again, to the start of its request",
};

/// The oldest due step.
pub const OLDEST_DUE_STEP: Definition = Definition {
    name: "drumbeat_oldest_due_step_seconds",
    kind: Kind::Gauge,
    unit: Unit::Seconds,
    labels: &[],
    roles: DISPATCHER,
    only_when: None,
    help: "How long the oldest step that is due and not held has been waiting",
};

/// Steps that are due.
pub const STEPS_DUE: Definition = Definition {
    name: "drumbeat_steps_due",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &[],
    roles: DISPATCHER,
    only_when: None,
    help: "Steps that are due and not held; more than 10,000 are not counted",
};

/// Requests to CRMs.
pub const DISPATCH_ATTEMPTS: Definition = Definition {
    name: "drumbeat_dispatch_attempts_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["crm", "outcome"],
    roles: DISPATCHER,
    only_when: None,
    help: "Attempts to create a task, by connector and outcome: sent, retry, rejected, exhausted, unknown, void",
};

/// How long requests to CRMs took.
pub const DISPATCH_SECONDS: Definition = Definition {
    name: "drumbeat_dispatch_duration_seconds",
    kind: Kind::Histogram(REQUEST),
    unit: Unit::Seconds,
    labels: &["crm"],
    roles: DISPATCHER,
    only_when: None,
    help: "Time of one request to the CRM",
};

/// How long touches waited for a permit.
pub const RATELIMIT_WAIT: Definition = Definition {
    name: "drumbeat_crm_ratelimit_wait_seconds",
    kind: Kind::Histogram(LATENESS),
    unit: Unit::Seconds,
    labels: &["crm"],
    roles: DISPATCHER,
    only_when: Some("a CRM asked to wait or refused the credentials"),
    help: "How long a connection was to wait each time that the CRM asked for it or refused the credentials",
};

/// Touches that an exit just missed.
pub const CROSSED: Definition = Definition {
    name: "drumbeat_touches_crossed_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["crm"],
    roles: STORE,
    only_when: Some("an exit just missed a touch"),
    help: "Touches whose sending was marked just before the exit that would have stopped them; their tasks are withdrawn",
};

/// Withdrawals given up.
pub const WITHDRAWALS_GIVEN_UP: Definition = Definition {
    name: "drumbeat_withdrawals_given_up_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["crm"],
    roles: DISPATCHER,
    only_when: Some("a CRM refused to take a task back, or could not for a day"),
    help: "Tasks that stay in a CRM though they were to be taken back; `drumbeat tasks list --left` shows them",
};

/// How long deciding took.
pub const RULE_EVAL: Definition = Definition {
    name: "drumbeat_rule_eval_seconds",
    kind: Kind::Histogram(EVALUATION),
    unit: Unit::Seconds,
    labels: &[],
    roles: STORE,
    only_when: None,
    help: "Time of evaluating the rules for one input (event, timer or result of a touch), its cadences' expressions included, the store excluded: the mean of each unit of work",
};

/// Events given up.
pub const DEAD_LETTERS: Definition = Definition {
    name: "drumbeat_dead_letters_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["stage"],
    roles: ENROLLMENT,
    only_when: Some("an event was given up"),
    help: "Events whose processing failed for good, by the stage that gave up",
};

/// Messages not yet processed.
pub const CONSUMER_LAG: Definition = Definition {
    name: "drumbeat_consumer_lag",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["group", "topic", "partition"],
    roles: READERS,
    only_when: None,
    help: "Messages of a partition that a group of consumers has not processed yet; each process of the role tells of every partition",
};

/// Outcomes not yet relayed.
pub const OUTBOX_PENDING: Definition = Definition {
    name: "drumbeat_outbox_pending",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &[],
    roles: ENROLLMENT,
    only_when: None,
    help: "Messages in the outbox that the bus has not acknowledged yet; more than 100,000 are not counted",
};

/// How long the store took.
pub const STORE_SECONDS: Definition = Definition {
    name: "drumbeat_store_duration_seconds",
    kind: Kind::Histogram(REQUEST),
    unit: Unit::Seconds,
    labels: &["operation"],
    roles: STORE,
    only_when: None,
    help: "Time of one operation of the store, its repetitions after deadlocks included: unit, pick, view, mark, take_over, release",
};

/// What the store could not do.
pub const STORE_ERRORS: Definition = Definition {
    name: "drumbeat_store_errors_total",
    kind: Kind::Counter,
    unit: Unit::Count,
    labels: &["operation", "kind"],
    roles: STORE,
    only_when: Some("an operation of the store failed"),
    help: "Operations of the store that failed, by what to do about it: unavailable, conflict, rejected, inconsistent",
};

/// How a connection stands.
pub const CONNECTOR_STATE: Definition = Definition {
    name: "drumbeat_connector_state",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["crm", "state"],
    roles: DISPATCHER,
    only_when: None,
    help: "1 for the state that a connection is in, else 0: open, busy (all its requests are in flight), rate_limited (its own limit), paused (the CRM said so), away (nothing gets through: one request at a time tries)",
};

/// Requests under way.
pub const CONNECTOR_REQUESTS: Definition = Definition {
    name: "drumbeat_connector_requests_open",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["crm"],
    roles: DISPATCHER,
    only_when: None,
    help: "Requests in flight to the CRM",
};

/// What waits for a person.
pub const SET_ASIDE: Definition = Definition {
    name: "drumbeat_set_aside",
    kind: Kind::Gauge,
    unit: Unit::Count,
    labels: &["list"],
    roles: ENROLLMENT,
    only_when: None,
    help: "What was set aside and not driven again yet, by list: quarantine, dead_letters; more than 10,000 are not counted",
};

/// All of them, in the order of the page.
pub const ALL: [Definition; 26] = [
    BUILD_INFO,
    READY,
    EVENTS_INGESTED,
    INGEST_SECONDS,
    DECISIONS,
    EXITS,
    EXIT_LATENCY,
    UNIT_EVENTS,
    UNIT_SECONDS,
    RULE_EVAL,
    STEPS_DUE,
    OLDEST_DUE_STEP,
    STEP_LATENESS,
    DISPATCH_ATTEMPTS,
    DISPATCH_SECONDS,
    RATELIMIT_WAIT,
    CROSSED,
    WITHDRAWALS_GIVEN_UP,
    CONNECTOR_STATE,
    CONNECTOR_REQUESTS,
    SET_ASIDE,
    DEAD_LETTERS,
    CONSUMER_LAG,
    OUTBOX_PENDING,
    STORE_SECONDS,
    STORE_ERRORS,
];
