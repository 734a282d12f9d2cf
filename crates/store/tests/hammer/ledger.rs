//! The oracle: what every transaction did, in the order of the commits.
//!
//! Triggers in the test's database write down, in the transaction itself, each mark, stop, settled result, takeover, flag
//! and budget. The order is that of the commit records in PostgreSQL's log of changes, read with `pg_walinspect`: for
//! transactions that met on a lock it is the order of the locks, and for those that did not it is what a crash would have
//! kept, which is what "committed before" means. A clock or a number drawn in the transaction could tell two commits the
//! wrong way round just where the rules fail. SQLite has one writer, so there the order of the rows is that of the commits.

use std::collections::{BTreeMap, HashMap, HashSet};

use sea_orm::sqlx::{self, AssertSqlSafe, Connection as _, PgConnection, Row as _, SqliteConnection};

use crate::stage::{PER_CONTACT, PER_OWNER};

/// A trigger: what it is called, on which table, for what, when, and what it writes: enrollment, touch, number, words.
type Trigger = (&'static str, &'static str, &'static str, &'static str, &'static str);

const TRIGGERS: &[Trigger] = &[
    (
        "mark",
        "attempts",
        "insert",
        "",
        "(select t.enrollment from touches t where t.id = new.touch), new.touch, new.no, (select t.workspace || '|' || \
         t.cadence || '|' || coalesce(t.owner, '') || '|' || t.lane from touches t where t.id = new.touch)",
    ),
    ("enrollment", "enrollments", "insert", "", "new.id, null, null, new.state"),
    ("enrollment", "enrollments", "update", "old.state <> new.state", "new.id, null, null, new.state"),
    ("touch", "touches", "insert", "", "new.enrollment, new.id, new.attempt, new.state || '|' || new.fence"),
    (
        "touch",
        "touches",
        "update",
        "old.state <> new.state or old.fence <> new.fence or old.attempt <> new.attempt",
        "new.enrollment, new.id, new.attempt, new.state || '|' || new.fence",
    ),
    (
        "flag_set",
        "flags",
        "insert",
        "",
        "null, null, null, new.scope || '|' || new.workspace || '|' || new.name",
    ),
    (
        "flag_clear",
        "flags",
        "delete",
        "",
        "null, null, null, old.scope || '|' || old.workspace || '|' || old.name",
    ),
    ("result", "results", "insert", "", "null, new.touch, new.no, new.result"),
    (
        "taken",
        "in_flight",
        "update",
        "new.taken_at is not null and (old.taken_at is null or old.taken_at <> new.taken_at)",
        "null, new.touch, new.no, {worker} || '|' || (new.taken_at - new.at)",
    ),
    ("here", "workers", "insert", "", "null, null, null, {id}"),
    ("gone", "workers", "delete", "", "null, null, null, {old_id}"),
    ("budget", "budgets", "update", "", "null, null, {uses}, new.budget"),
];

fn filled(text: &str, postgres: bool) -> String {
    let (worker, id, old, uses) = if postgres {
        ("new.worker::text", "new.id::text", "old.id::text", "json_array_length(new.uses::json)")
    } else {
        ("lower(hex(new.worker))", "lower(hex(new.id))", "lower(hex(old.id))", "json_array_length(new.uses)")
    };
    text.replace("{worker}", worker).replace("{id}", id).replace("{old_id}", old).replace("{uses}", uses)
}

/// Makes the log and its triggers in a PostgreSQL database.
pub(crate) async fn watch_postgres(conn: &mut PgConnection) {
    let mut script = String::from(
        "create table hammer_log (id bigint generated always as identity, xid bigint not null, kind text not null,
            enrollment bigint, touch bigint, n bigint, words text);",
    );
    for (place, (kind, table, event, when, values)) in TRIGGERS.iter().enumerate() {
        let when = if when.is_empty() { String::new() } else { format!("when ({when})") };
        let values = filled(values, true);
        let gives = if *event == "delete" { "old" } else { "new" };
        script += &format!(
            "create function hammer_{place}() returns trigger language plpgsql as $$ begin
                insert into hammer_log (xid, kind, enrollment, touch, n, words)
                values ((pg_current_xact_id()::text)::bigint, '{kind}', {values}); return {gives}; end $$;
             create trigger hammer_{place} after {event} on {table} for each row {when} execute function hammer_{place}();"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(script)).execute(conn).await.expect("the triggers can be made");
}

/// The same in a SQLite file.
pub(crate) async fn watch_sqlite(conn: &mut SqliteConnection) {
    let mut script = String::from(
        "create table hammer_log (id integer primary key autoincrement, xid integer not null default 0, kind text not null,
            enrollment integer, touch integer, n integer, words text);",
    );
    for (place, (kind, table, event, when, values)) in TRIGGERS.iter().enumerate() {
        let when = if when.is_empty() { String::new() } else { format!("when ({when})") };
        let values = filled(values, false);
        script += &format!(
            "create trigger hammer_{place} after {event} on {table} for each row {when} begin
                insert into hammer_log (kind, enrollment, touch, n, words) select '{kind}', {values}; end;"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(script)).execute(conn).await.expect("the triggers can be made");
}

/// Reads commit records as they are written, before the server recycles them.
pub(crate) struct Wal {
    conn: PgConnection,
    next: String,
    commits: HashMap<i64, i64>,
}

impl Wal {
    pub(crate) async fn begin(mut conn: PgConnection) -> Self {
        sqlx::raw_sql("create extension if not exists pg_walinspect")
            .execute(&mut conn)
            .await
            .expect("the hammer's oracle needs PostgreSQL 15 or later with the contrib module pg_walinspect");
        let row = sqlx::query("select pg_current_wal_flush_lsn()::text").fetch_one(&mut conn).await.unwrap();
        Self { next: row.get(0), conn, commits: HashMap::new() }
    }

    /// Reads on to what is flushed by now.
    pub(crate) async fn read(&mut self) {
        let row =
            sqlx::query("select pg_current_wal_flush_lsn()::text, pg_current_wal_flush_lsn() > $1::pg_lsn")
                .bind(&self.next)
                .fetch_one(&mut self.conn)
                .await
                .unwrap();
        let (end, more): (String, bool) = (row.get(0), row.get(1));
        if !more {
            return;
        }
        let rows = sqlx::query(
            "with records as materialized (select * from pg_get_wal_records_info($1::pg_lsn, $2::pg_lsn))
             select (xid::text)::bigint, (start_lsn - '0/0'::pg_lsn)::bigint, null from records
             where resource_manager = 'Transaction' and record_type like 'COMMIT%'
             union all select 0, 0, max(end_lsn)::text from records",
        )
        .bind(&self.next)
        .bind(&end)
        .fetch_all(&mut self.conn)
        .await
        .expect("the log of changes can be read");
        self.commits.extend(rows.iter().map(|row| (row.get::<i64, _>(0), row.get::<i64, _>(1))));
        // What is flushed may end within a record: that one is read whole the next time.
        if let Some(end) = rows.iter().find_map(|row| row.get::<Option<String>, _>(2)) {
            self.next = end;
        }
    }

    /// All that was written down, in the order of the commits.
    pub(crate) async fn entries(mut self) -> Vec<Entry> {
        // A record that is flushed in part now is whole after the next one.
        sqlx::query("select pg_current_xact_id()").fetch_one(&mut self.conn).await.unwrap();
        self.read().await;
        let rows =
            sqlx::query("select xid, id, kind, enrollment, touch, n, words from hammer_log order by id")
                .fetch_all(&mut self.conn)
                .await
                .unwrap();
        let mut entries: Vec<Entry> = rows
            .iter()
            .map(|row| {
                // The log of changes has the lower half of a transaction's number.
                let xid = row.get::<i64, _>(0) & 0xffff_ffff;
                let at = *self.commits.get(&xid).expect("every commit has its record");
                Entry {
                    at: (at, row.get(1)),
                    kind: row.get(2),
                    enrollment: row.get::<Option<i64>, _>(3).unwrap_or_default(),
                    touch: row.get::<Option<i64>, _>(4).unwrap_or_default(),
                    n: row.get::<Option<i64>, _>(5).unwrap_or_default(),
                    words: row.get::<Option<String>, _>(6).unwrap_or_default(),
                }
            })
            .collect();
        entries.sort_by_key(|entry| entry.at);
        self.conn.close().await.unwrap();
        entries
    }
}

/// The same from a SQLite file.
pub(crate) async fn entries_of_sqlite(conn: &mut SqliteConnection) -> Vec<Entry> {
    let rows = sqlx::query("select id, kind, enrollment, touch, n, words from hammer_log order by id")
        .fetch_all(conn)
        .await
        .unwrap();
    let entry = |row: &sqlx::sqlite::SqliteRow| Entry {
        at: (row.get(0), 0),
        kind: row.get(1),
        enrollment: row.get::<Option<i64>, _>(2).unwrap_or_default(),
        touch: row.get::<Option<i64>, _>(3).unwrap_or_default(),
        n: row.get::<Option<i64>, _>(4).unwrap_or_default(),
        words: row.get::<Option<String>, _>(5).unwrap_or_default(),
    };
    rows.iter().map(entry).collect()
}

/// Something that a transaction did.
pub(crate) struct Entry {
    /// Where its commit stands, and its place within the transaction.
    at: (i64, i64),
    kind: String,
    enrollment: i64,
    touch: i64,
    n: i64,
    words: String,
}

/// What is known of a touch at a commit.
#[derive(Default)]
struct Touch {
    state: String,
    fence: i64,
    attempt: i64,
    /// The attempt of which no end is known.
    flying: Option<i64>,
}

/// What the history came to.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) entries: usize,
    pub(crate) marks: usize,
    pub(crate) repeats: usize,
    pub(crate) stops: usize,
    /// Stops whose touch was on its way: marked before, so it leaves and is taken back.
    pub(crate) crossed: usize,
    pub(crate) flags: usize,
    pub(crate) takeovers: usize,
    /// What broke a rule.
    pub(crate) found: Vec<String>,
}

/// Goes through the history in the order of the commits and says what broke a rule.
pub(crate) fn judge(entries: &[Entry], hung: std::time::Duration) -> History {
    let mut history = History { entries: entries.len(), ..History::default() };
    let mut enrollments: HashMap<i64, String> = HashMap::new();
    let mut touches: BTreeMap<i64, Touch> = BTreeMap::new();
    let mut sending: HashMap<i64, i64> = HashMap::new();
    let mut flags: HashSet<String> = HashSet::new();
    let mut gone: HashSet<String> = HashSet::new();
    let mut here: HashSet<String> = HashSet::new();
    let mut found = Vec::new();
    for entry in entries {
        let id = entry.touch;
        match entry.kind.as_str() {
            "enrollment" => {
                let stops = !matches!(entry.words.as_str(), "live");
                if stops {
                    history.stops += 1;
                    history.crossed += usize::from(sending.values().any(|of| *of == entry.enrollment));
                }
                enrollments.insert(entry.enrollment, entry.words.clone());
            }
            "touch" => {
                let (state, fence) = entry.words.split_once('|').unwrap_or_default();
                let touch = touches.entry(id).or_default();
                let fence = fence.parse().unwrap_or_default();
                if fence < touch.fence || entry.n < touch.attempt {
                    found.push(format!("fence: touch {id} went back from {} to {fence}", touch.fence));
                }
                if state == "sending" && touch.flying != Some(entry.n) {
                    found.push(format!("sending: touch {id} is sending without a mark"));
                }
                if state == "sending" {
                    sending.insert(id, entry.enrollment);
                } else {
                    sending.remove(&id);
                }
                (touch.state, touch.fence, touch.attempt) = (state.to_owned(), fence, entry.n);
            }
            "mark" => {
                history.marks += 1;
                history.repeats += usize::from(entry.n > 1);
                let state = enrollments.get(&entry.enrollment).map_or("", String::as_str);
                if state != "live" {
                    found.push(format!("stop: touch {id} was marked after its enrollment was {state}"));
                }
                if let Some(flag) = covering(&entry.words).into_iter().find(|flag| flags.contains(flag)) {
                    found.push(format!("flag: touch {id} was marked under the flag {flag}"));
                }
                let touch = touches.entry(id).or_default();
                if !matches!(touch.state.as_str(), "scheduled" | "unknown") {
                    found.push(format!("stop: touch {id} was marked while it was {}", touch.state));
                }
                if let Some(flying) = touch.flying {
                    found.push(format!("twice: touch {id} was marked while attempt {flying} was in flight"));
                }
                if entry.n != touch.attempt + 1 {
                    found.push(format!(
                        "twice: touch {id} went from attempt {} to {}",
                        touch.attempt, entry.n
                    ));
                }
                touch.flying = Some(entry.n);
            }
            "result" => {
                let touch = touches.entry(id).or_default();
                if touch.flying == Some(entry.n) {
                    touch.flying = None;
                }
            }
            "taken" => {
                history.takeovers += 1;
                let (worker, age) = entry.words.split_once('|').unwrap_or_default();
                let age: i64 = age.parse().unwrap_or_default();
                let lives = here.contains(worker) && !gone.contains(worker);
                if lives && i128::from(age) < i128::try_from(hung.as_micros()).unwrap_or_default() {
                    found.push(format!(
                        "takeover: attempt {} of touch {id} was taken from one that lives",
                        entry.n
                    ));
                }
                let touch = touches.entry(id).or_default();
                if touch.flying == Some(entry.n) {
                    touch.flying = None;
                }
            }
            "flag_set" => {
                history.flags += 1;
                flags.insert(entry.words.clone());
            }
            "flag_clear" => drop(flags.remove(&entry.words)),
            "here" => drop(here.insert(entry.words.clone())),
            "gone" => drop(gone.insert(entry.words.clone())),
            "budget" => {
                let max = if entry.words.contains("/owner/") { PER_OWNER } else { PER_CONTACT };
                if entry.n > max {
                    found.push(format!("budget: {} holds {} of {max}", entry.words, entry.n));
                }
            }
            other => found.push(format!("ledger: {other} is not known")),
        }
    }
    history.found = found;
    history
}

/// The flags that stop a touch of these keys, as the table names them.
fn covering(words: &str) -> Vec<String> {
    let parts: Vec<&str> = words.split('|').collect();
    let [workspace, cadence, owner, lane] = parts[..] else { return Vec::new() };
    let connector = lane.rsplit_once(':').map_or(lane, |(connector, _)| connector);
    vec![
        "all||".to_owned(),
        format!("workspace|{workspace}|"),
        format!("cadence|{workspace}|{cadence}"),
        format!("owner|{workspace}|{owner}"),
        format!("connector||{connector}"),
    ]
}
