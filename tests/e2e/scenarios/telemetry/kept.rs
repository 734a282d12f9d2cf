//! What is kept: on the bus, in the database.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use bus::{EmbeddedConfig, EmbeddedLog, KafkaBus, KafkaConfig};
use ports::bus::{Position, Topic, TopicAdmin};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::canaries::{people_in, refuse_secrets, refuse_traces_of};
use crate::deployment::{Deployment, Shape};

/// Keys and headers name nobody; payloads may, but never a secret.
pub(super) async fn nothing_but_payloads_on_the_bus(it: &Deployment) {
    let topics: Arc<dyn TopicAdmin> = match &it.shape {
        Shape::Embedded => {
            let clock = Arc::new(testkit::store::ManualClock::at(jiff::Timestamp::UNIX_EPOCH));
            Arc::new(EmbeddedLog::open(EmbeddedConfig::new(it.path("data/events.db")), clock).await.unwrap())
        }
        Shape::Roles { kafka, .. } => {
            let written = it.configuration();
            let prefix = written.split("prefix = \"").nth(1).unwrap().split('"').next().unwrap();
            let config = KafkaConfig { prefix: prefix.to_owned(), ..KafkaConfig::new(vec![kafka.clone()]) };
            Arc::new(KafkaBus::connect(config).await.unwrap())
        }
    };
    let mut seen = BTreeSet::new();
    for topic in Topic::ALL {
        for state in topics.partitions(topic).await.unwrap() {
            let from = Position { topic, partition: state.partition, offset: state.begins_at };
            for record in topics.read(from, 10_000).await.unwrap() {
                seen.insert(topic.as_str());
                let place = format!("a record of {topic}");
                refuse_traces_of(&place, &record.key);
                for (name, value) in &record.headers {
                    refuse_traces_of(&format!("{place}, header {name}"), value.as_bytes());
                }
                refuse_secrets(&place, &record.payload);
                if topic == Topic::Deliveries {
                    refuse_traces_of(&place, &record.payload);
                }
            }
        }
    }
    for topic in [Topic::Events, Topic::Quarantine, Topic::Deliveries, Topic::Outcomes] {
        assert!(seen.contains(topic.as_str()), "{topic} was written: {seen:?}");
    }
}

/// Where people may stand in the clear: the contact; what came in and is kept to be explained and driven again; the data
/// that the enrolling event brought, which expressions ask for as `entry.x` (the test sends an address there); and the
/// request to the CRM, which is repeated byte for byte.
const OF_PEOPLE: [&str; 6] = ["contacts", "events", "enrollments", "attempts", "asides", "outbox"];

/// Addresses live on the contact; an identity is a keyed hash.
pub(super) fn no_secrets_and_addresses_only_where_they_belong(it: &Deployment) {
    let mut holders = BTreeSet::new();
    for (table, text) in dump(it) {
        refuse_secrets(&format!("the table {table}"), text.as_bytes());
        if people_in(text.as_bytes()) {
            holders.insert(table);
        }
    }
    assert!(holders.contains("contacts"), "the test sees people where they are: {holders:?}");
    let wrong: Vec<&String> =
        holders.iter().filter(|table| !OF_PEOPLE.iter().any(|allowed| table.starts_with(allowed))).collect();
    assert!(wrong.is_empty(), "people in the clear in {wrong:?}");
}

/// Every table with its rows as text, bytes as hexadecimal digits.
fn dump(it: &Deployment) -> Vec<(String, String)> {
    match &it.shape {
        Shape::Embedded => dump_file(&it.path("data/drumbeat.db")),
        Shape::Roles { .. } => dump_server(&std::fs::read_to_string(it.path("store.url")).unwrap()),
    }
}

fn dump_file(path: &Path) -> Vec<(String, String)> {
    let file = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let ask = |sql: &str| -> Vec<String> {
        let mut statement = file.prepare(sql).unwrap();
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| (0..columns).map(|at| row.get_ref(at).map(shown)).collect();
        let rows: Result<Vec<Vec<String>>, _> = statement.query_map([], row).unwrap().collect();
        rows.unwrap().into_iter().map(|cells| cells.join("|")).collect()
    };
    let tables = ask("select name from sqlite_master where type = 'table'");
    tables
        .into_iter()
        .map(|table| (table.clone(), ask(&format!("select * from {table}")).join("\n")))
        .collect()
}

fn shown(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => hex::encode(bytes),
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => format!("{cell:?}"),
    }
}

fn dump_server(url: &str) -> Vec<(String, String)> {
    let ask = |sql: &str| {
        let output = Command::new("psql").args([url, "-Atqc", sql]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let tables = ask("select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                      where n.nspname = 'public' and c.relkind in ('r', 'p')");
    tables.lines().map(|table| (table.to_owned(), ask(&format!("select * from {table}")))).collect()
}
