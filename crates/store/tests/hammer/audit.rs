//! What must hold in every committed state, each as one query that counts what breaks it.

use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, Row as _, SqliteConnection};

/// A rule and its query.
type Rule = (&'static str, &'static str);

/// Rules that hold at any moment.
const ALWAYS: &[Rule] = &[
    (
        "waits: live enrollments without a timer, an attempt in flight, or something named that they wait for",
        "select count(*) from enrollments e where e.state = 'live' \
         and not exists (select 1 from timers m where m.enrollment = e.id) \
         and not exists (select 1 from touches t where t.enrollment = e.id \
            and t.state in ('sending', 'open', 'failed', 'unknown'))",
    ),
    (
        "stray: timers of enrollments that are over",
        "select count(*) from timers m where not exists \
         (select 1 from enrollments e where e.id = m.enrollment and e.state in ('live', 'paused'))",
    ),
    (
        "over: touches that may still go though their enrollment is over",
        "select count(*) from touches t where t.state in ('scheduled', 'held') and not exists \
         (select 1 from enrollments e where e.id = t.enrollment and e.state in ('live', 'paused'))",
    ),
    (
        "in flight: sending touches without their attempt in flight, or others with one",
        "select count(*) from touches t left join in_flight f on f.touch = t.id and f.no = t.attempt \
         where (t.state = 'sending' and f.touch is null) \
         or (t.state in ('scheduled', 'held', 'failed') and f.taken_at is null and f.touch is not null)",
    ),
    (
        "going: timers of touches that do not wait for their time",
        "select count(*) from timers m join touches t on t.id = m.touch where m.kind = 'touch' \
         and t.state not in ('scheduled', 'held')",
    ),
    (
        "people: addresses with more than one contact",
        "select count(*) - count(distinct workspace || email) from contacts",
    ),
];

/// Budgets are what the touches say they hold, both ways.
const BUDGETS: &str = "select (select count(*) from (select * from held except select * from noted) a) + \
     (select count(*) from (select * from noted except select * from held) b) + \
     (select count(*) from held) - (select count(*) from (select distinct * from held) c)";

const HELD_POSTGRES: &str = "with held as (select b.workspace, b.budget, (u ->> 1)::bigint as touch from budgets b, \
     json_array_elements(b.uses::json) u), noted as (select t.workspace, r as budget, t.id as touch from touches t, \
     json_array_elements_text(t.reserved::json) r where t.reserved is not null) ";
const HELD_SQLITE: &str = "with held as (select b.workspace, b.budget, json_extract(u.value, '$[1]') as touch from budgets b, \
     json_each(b.uses) u), noted as (select t.workspace, r.value as budget, t.id as touch from touches t, \
     json_each(t.reserved) r where t.reserved is not null) ";

/// Rules that hold once everything has come to rest.
const AT_REST: &[Rule] = &[
    (
        "held: timers that a flag holds though none is set",
        "select count(*) from timers where held is not null",
    ),
    ("rest: attempts that nobody settles", "select count(*) from in_flight"),
    ("rest: touches that are sending", "select count(*) from touches where state = 'sending'"),
];

/// Which rules to look at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    Running,
    AtRest,
}

fn rules(when: When, held: &str) -> Vec<(&'static str, String)> {
    let budgets = ("budgets: uses that no touch holds, or the other way round", format!("{held}{BUDGETS}"));
    let rest = if when == When::AtRest { AT_REST } else { &[] };
    let all = ALWAYS.iter().chain(rest).map(|(rule, query)| (*rule, (*query).to_owned()));
    all.chain([budgets]).collect()
}

/// What breaks a rule in PostgreSQL: each query sees one committed state.
pub(crate) async fn postgres(conn: &mut PgConnection, when: When) -> Vec<String> {
    let mut found = Vec::new();
    for (rule, query) in rules(when, HELD_POSTGRES) {
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *conn).await.expect("a rule can be asked");
        let count: i64 = row.get(0);
        if count != 0 {
            found.push(format!("{rule}: {count}"));
        }
    }
    found
}

/// The same in a SQLite file.
pub(crate) async fn sqlite(conn: &mut SqliteConnection, when: When) -> Vec<String> {
    let mut found = Vec::new();
    for (rule, query) in rules(when, HELD_SQLITE) {
        let row = sqlx::query(AssertSqlSafe(query)).fetch_one(&mut *conn).await.expect("a rule can be asked");
        let count: i64 = row.get(0);
        if count != 0 {
            found.push(format!("{rule}: {count}"));
        }
    }
    found
}
