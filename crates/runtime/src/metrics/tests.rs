use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::ConnectorState;
use super::Metrics;
use super::definitions::ALL;
use super::definitions::Kind;
use super::definitions::Unit;
use super::labels::Bounded;
use crate::health::Readiness;
use crate::health::Status;

/// Calls every method once.
fn recorded() -> String {
    let metrics = Metrics::new();
    let readiness = Readiness::new();
    readiness.set("bus", Status::Ready);
    let moment = Duration::from_millis(30);
    metrics.build("1.2.3", "ingest");
    metrics.ready(&readiness.report());
    metrics.events_ingested("forms", "accepted", 3);
    metrics.delivery_answered("forms", moment);
    metrics.decided("inbound", "refused", "reentry", 1);
    metrics.exited("inbound", "replied", 1);
    metrics.exit_applied(moment);
    metrics.unit_committed(40, moment);
    metrics.rules_evaluated(Duration::from_micros(2));
    metrics.steps_due(7, Duration::from_secs(90));
    metrics.step_dispatched(moment);
    metrics.dispatch_attempted("crm", "sent", Some(moment));
    metrics.dispatch_attempted("crm", "void", None);
    metrics.permit_waited("crm", moment);
    metrics.crossed("crm");
    metrics.dead_lettered("decide");
    metrics.consumer_lag("enrollment", ("events", 3), Some(12));
    metrics.outbox_pending(2);
    metrics.store_answered("mark", moment, None);
    metrics.store_answered("unit", moment, Some("conflict"));
    metrics.connector("crm", ConnectorState::Busy, 1);
    metrics.connector("crm", ConnectorState::Paused, 4);
    metrics.withdrawal_given_up("crm");
    metrics.set_aside("quarantine", 9);
    metrics.render().expect("it renders")
}

#[test]
fn what_is_recorded_is_exposed() {
    let text = recorded();

    for line in [
        "drumbeat_build_info{role=\"ingest\",version=\"1.2.3\"} 1",
        "drumbeat_ready{component=\"bus\"} 1",
        "drumbeat_events_ingested_total{outcome=\"accepted\",source=\"forms\"} 3",
        "drumbeat_ingest_duration_seconds_bucket{source=\"forms\",le=\"0.05\"} 1",
        "drumbeat_enrollment_decisions_total{cadence=\"inbound\",outcome=\"refused\",reason=\"reentry\"} 1",
        "drumbeat_exits_total{cadence=\"inbound\",reason=\"replied\"} 1",
        "drumbeat_exit_latency_seconds_count 1",
        "drumbeat_unit_events_sum 40",
        "drumbeat_unit_duration_seconds_count 1",
        "drumbeat_rule_eval_seconds_bucket{le=\"0.000005\"} 1",
        "drumbeat_steps_due 7",
        "drumbeat_oldest_due_step_seconds 90",
        "drumbeat_step_lateness_seconds_count 1",
        "drumbeat_dispatch_attempts_total{crm=\"crm\",outcome=\"sent\"} 1",
        "drumbeat_dispatch_attempts_total{crm=\"crm\",outcome=\"void\"} 1",
        "drumbeat_dispatch_duration_seconds_count{crm=\"crm\"} 1",
        "drumbeat_crm_ratelimit_wait_seconds_count{crm=\"crm\"} 1",
        "drumbeat_touches_crossed_total{crm=\"crm\"} 1",
        "drumbeat_withdrawals_given_up_total{crm=\"crm\"} 1",
        "drumbeat_dead_letters_total{stage=\"decide\"} 1",
        "drumbeat_consumer_lag{group=\"enrollment\",partition=\"3\",topic=\"events\"} 12",
        "drumbeat_store_duration_seconds_count{operation=\"mark\"} 1",
        "drumbeat_store_errors_total{kind=\"conflict\",operation=\"unit\"} 1",
        "drumbeat_connector_state{crm=\"crm\",state=\"busy\"} 0",
        "drumbeat_connector_state{crm=\"crm\",state=\"paused\"} 1",
        "drumbeat_connector_requests_open{crm=\"crm\"} 4",
        "drumbeat_set_aside{list=\"quarantine\"} 9",
        "drumbeat_outbox_pending 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn every_definition_can_be_recorded() {
    let text = recorded();

    for definition in ALL {
        let declared = format!("# TYPE {} {}", definition.name, definition.kind.as_str());
        assert!(text.lines().any(|line| line == declared), "{declared}");
        assert!(text.contains(&format!("# HELP {} {}", definition.name, definition.help)));
    }
}

#[test]
fn names_say_what_they_are_and_are_unique() {
    let names: BTreeSet<&str> = ALL.iter().map(|definition| definition.name).collect();

    assert_eq!(names.len(), ALL.len());
    for definition in ALL {
        assert!(definition.name.starts_with("drumbeat_"), "{}", definition.name);
        assert_eq!(
            definition.name.ends_with("_total"),
            definition.kind == Kind::Counter,
            "{}",
            definition.name
        );
        assert_eq!(
            definition.name.ends_with("_seconds"),
            definition.unit == Unit::Seconds,
            "{}",
            definition.name
        );
        if let Kind::Histogram(bounds) = definition.kind {
            assert!(bounds.is_sorted() && !bounds.is_empty(), "{}", definition.name);
        }
    }
}

#[test]
fn cadences_beyond_the_first_thousand_share_a_label() {
    let labels = Bounded::new(2);

    let admitted = ["a", "b", "c", "a", "d"].map(|cadence| labels.admit(cadence));

    assert_eq!(admitted, ["a", "b", "other", "a", "other"]);
}

#[test]
fn the_lag_of_a_lost_partition_disappears() {
    let metrics = Metrics::new();
    metrics.consumer_lag("g", ("t", 1), Some(5));
    metrics.consumer_lag("g", ("t", 1), None);
    metrics.consumer_lag("g", ("t", 2), None);

    assert!(!metrics.render().expect("it renders").contains("drumbeat_consumer_lag{"));
}

#[test]
fn the_page_is_in_sync_with_the_definitions() {
    let mut page = "# Metrics\n\n<!-- Made from crates/runtime/src/metrics/definitions.rs: run `UPDATE=1 cargo test -p runtime`. -->\n\n\
        Every role serves these at `/metrics` of its admin port, in Prometheus' text format. Times are wall time, in\n\
        seconds. Labels are bounded: sources and connectors come from the configuration, what is sent to no configured\n\
        source shares the source `_unknown`, outcomes and reasons are words of the code, and cadences beyond the first\n\
        thousand of a process share the label `other`. `up` is every role. A metric appears with the first thing that it\n\
        tells of.\n\n\
        | metric | kind | labels | served by | only when | |\n|---|---|---|---|---|---|\n"
        .to_owned();
    for definition in ALL {
        let labels: Vec<String> = definition.labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(
            page,
            "| `{}` | {} | {} | {} | {} | {} |",
            definition.name,
            definition.kind.as_str(),
            labels.join(", "),
            definition.roles.join(", "),
            definition.only_when.unwrap_or_default(),
            definition.help
        )
        .expect("writing to a string works");
    }
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    crate::testing::in_sync(&path, &page);
}
