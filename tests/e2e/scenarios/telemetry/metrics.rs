//! `/metrics`, against docs/metrics.md.

use std::collections::BTreeSet;

use futures::StreamExt as _;
use serde_json::json;

use crate::deployment::{Deployment, Shape};
use crate::webhook::{Sender, event};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");

/// A row of the page.
struct Documented {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
    roles: String,
    always: bool,
}

fn documented() -> Vec<Documented> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `drumbeat_"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        Documented {
            name: cells[1].trim_matches('`').to_owned(),
            kind: cells[2].to_owned(),
            labels: cells[3].split(", ").map(|label| label.trim_matches('`').to_owned()).collect(),
            roles: cells[4].to_owned(),
            always: cells[5].is_empty(),
        }
    })
    .collect()
}

/// Each documented metric is served by its roles, and nothing that is not documented.
pub(super) async fn eventually_complete(it: &Deployment) {
    let documented = documented();
    assert!(documented.len() > 20, "the page lists the metrics");
    for role in it.shape.roles() {
        let missing = || {
            let text = it.admin(role, "/metrics");
            let expected = documented.iter().filter(|metric| metric.always && serves(it, role, metric));
            let absent: Vec<String> = expected
                .map(|metric| format!("# TYPE {} {}", metric.name, metric.kind))
                .filter(|line| !text.contains(line.as_str()))
                .collect();
            absent
        };
        it.eventually(&format!("all metrics of {role}, now without {:?}", missing()), || {
            missing().is_empty().then_some(())
        })
        .await;
        for line in it.admin(role, "/metrics").lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
            let (name, kind) = line.split_once(' ').unwrap();
            let known = documented.iter().find(|metric| metric.name == name);
            assert!(
                known.is_some_and(|metric| metric.kind == kind),
                "{role} serves {line}, of which the page is silent"
            );
        }
    }
    let labels = |series: &str| -> BTreeSet<String> {
        let inside = series.split_once('{').map_or("", |(_, rest)| rest.trim_end_matches('}'));
        let names =
            inside.split(',').filter_map(|pair| pair.split_once('=')).map(|(name, _)| name.to_owned());
        names.filter(|name| name != "le").collect()
    };
    for series in series(it) {
        let name = series.split('{').next().unwrap();
        let of = |metric: &&Documented| {
            ["", "_bucket", "_sum", "_count"].iter().any(|end| format!("{}{end}", metric.name) == name)
        };
        let metric = documented.iter().find(of).unwrap();
        let documented = metric.labels.iter().filter(|label| !label.is_empty()).cloned().collect();
        assert_eq!(labels(&series), documented, "{series}");
    }
}

fn serves(it: &Deployment, role: &str, metric: &Documented) -> bool {
    it.shape == Shape::Embedded
        || metric.roles == "every role"
        || metric.roles.split(", ").any(|one| one == role)
}

/// Names and labels of everything that every process serves.
pub(super) fn series(it: &Deployment) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for role in it.shape.roles() {
        let text = it.admin(role, "/metrics");
        let lines = text.lines().filter(|line| line.starts_with("drumbeat_"));
        all.extend(lines.map(|line| line.rsplit_once(' ').unwrap().0.to_owned()));
    }
    all
}

/// Ten thousand requests that all differ in what they name.
pub(super) async fn flood(sender: &Sender) {
    let statuses: Vec<u16> = futures::stream::iter(0..10_000)
        .map(|number| async move {
            loop {
                let status = strange(sender, number).await;
                // A broker on a busy machine may not acknowledge in time.
                if status != 503 {
                    return status;
                }
            }
        })
        .buffer_unordered(64)
        .collect()
        .await;
    let count = |status: u16| statuses.iter().filter(|one| **one == status).count();
    assert_eq!((count(202), count(401), count(404)), (2_000, 1_000, 7_000));
}

async fn strange(sender: &Sender, number: u32) -> u16 {
    let (id, email) = (format!("flood-{number}"), format!("flood{number}@example.com"));
    let answer = match number % 10 {
        0 => sender.try_post(&event(&id, "form_submitted", &email)).await,
        1 => sender.try_post(&event(&id, &format!("flood_{number}"), &email)).await,
        2 => sender.post_raw(json!({ "type": email }).to_string().into_bytes(), Some(&email)).await,
        _ => sender.post_elsewhere(&id, Vec::new()).await,
    };
    answer.unwrap().status
}
