//! What is heard, explained, and let pass.

use sea_orm::sqlx::{self, AssertSqlSafe, PgConnection, Row as _};
use serde_json::Value;

use crate::fill::LARGE;
use crate::recorder::{begins, heard, written};

/// What may be left out of a rule, and why: lines of `exceptions.txt`, as rule, beginning of the statement, reason.
pub(crate) fn exceptions(rule: &str) -> Vec<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/plans/exceptions.txt");
    let text = std::fs::read_to_string(path).expect("the list of exceptions can be read");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let parts = lines.map(|line| line.split(" | ").collect::<Vec<_>>());
    parts
        .inspect(|parts| {
            assert!(parts.len() == 3 && !parts[2].trim().is_empty(), "{parts:?} gives no reason");
        })
        .filter(|parts| parts[0].trim() == rule)
        .map(|parts| parts[1].trim().to_owned())
        .collect()
}

/// The statements heard that can be explained.
pub(crate) fn statements(system: &str) -> Vec<String> {
    let texts = heard(system).into_iter();
    texts
        .filter(|text| {
            ["select", "insert", "update", "delete", "with"].iter().any(|word| text.starts_with(word))
        })
        .collect()
}

/// Every statement of the source was heard, or is named.
pub(crate) fn all_are_heard(texts: &[String]) {
    let known = exceptions("unheard");
    let silent: Vec<String> = written()
        .into_iter()
        .filter(|pattern| !texts.iter().any(|text| begins(text, pattern)))
        .filter(|pattern| !known.iter().any(|begin| pattern.starts_with(begin)))
        .collect();
    assert!(silent.is_empty(), "statements whose plan nobody looked at: {silent:#?}");
}

/// What is wrong with the plans, but for what is named as cold; each name must still be needed.
pub(crate) fn judged(system: &str, wrong: &[(String, String)]) {
    let cold = exceptions(system);
    let is_cold = |text: &str| cold.iter().any(|begin| text.starts_with(begin));
    let hot: Vec<_> = wrong.iter().filter(|(text, _)| !is_cold(text)).collect();
    assert!(hot.is_empty(), "{} statements read a large table from end to end: {hot:#?}", hot.len());
    for begin in &cold {
        let needed = wrong.iter().any(|(text, _)| text.starts_with(begin));
        assert!(needed, "{begin} is no longer cold on {system}: take it off the list");
    }
}

// PostgreSQL.

/// The planner's settings of the store's sessions, from the source.
pub(crate) fn planner_settings() -> String {
    let source = include_str!("../../src/session/postgres.rs");
    let pairs = source.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.strip_suffix("\"),"));
    let pairs = pairs.filter_map(|pair| pair.split_once("\", \""));
    let planner =
        |name: &str| ["plan_", "enable_", "random_", "jit"].iter().any(|begin| name.starts_with(begin));
    pairs.filter(|(name, _)| planner(name)).map(|(name, value)| format!("set {name} = '{value}';")).collect()
}

/// The generic plan of a statement.
pub(crate) async fn plan(conn: &mut PgConnection, text: &str) -> Value {
    sqlx::raw_sql(AssertSqlSafe(format!("prepare p as {text}"))).execute(&mut *conn).await.expect(text);
    let count = "select cardinality(parameter_types) from pg_prepared_statements where name = 'p'";
    let count: i32 = sqlx::query(count).fetch_one(&mut *conn).await.expect("it is prepared").get(0);
    let nulls = vec!["null"; usize::try_from(count).expect("few")].join(", ");
    let explain = if nulls.is_empty() { "p".to_owned() } else { format!("p({nulls})") };
    let explain = format!("explain (format json) execute {explain}");
    let rows = sqlx::raw_sql(AssertSqlSafe(explain)).fetch_all(&mut *conn).await.expect(text);
    sqlx::raw_sql("deallocate p").execute(&mut *conn).await.expect("it is prepared");
    let plan: Value = serde_json::from_str(&rows[0].get_unchecked::<String, _>(0)).expect("a plan in JSON");
    plan[0]["Plan"].clone()
}

/// Scans of large tables without a condition on the index.
pub(crate) fn walk(node: &Value, wrong: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    let table = node["Relation Name"].as_str().unwrap_or_default();
    let is_large = LARGE.contains(&table) || table.starts_with("events_");
    let scans = kind.contains("Scan") && !kind.starts_with("Bitmap Heap");
    if is_large && scans && node["Index Cond"].is_null() && kind != "Tid Scan" {
        let index = node["Index Name"].as_str().unwrap_or("no index");
        wrong.push(format!("{kind} of {table} by {index}"));
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, wrong);
    }
}
