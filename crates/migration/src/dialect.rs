//! One text of a statement for both databases.

use sea_orm::{ConnectionTrait, DbBackend, DbErr};

/// Words that the two databases spell differently.
const WORDS: [(&str, &str, &str); 8] = [
    // A text that is compared by its bytes: keys, names, states.
    ("{name}", "text collate \"C\"", "text"),
    ("{bytes}", "bytea", "blob"),
    ("{uuid}", "uuid", "blob"),
    ("{int}", "integer", "integer"),
    ("{long}", "bigint", "integer"),
    // A key that the database gives in the order of insertion, never twice.
    ("{serial}", "bigint generated always as identity primary key", "integer primary key autoincrement"),
    // The end of a table: rows found by their key alone are kept in it.
    ("{keyed}", "", "strict, without rowid"),
    ("{table}", "", "strict"),
];

/// Runs statements that are written with [`WORDS`]; `{fill N}` is PostgreSQL's fillfactor.
pub(crate) async fn run<C: ConnectionTrait>(db: &C, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        db.execute_unprepared(&translate(statement, db.get_database_backend())).await?;
    }
    Ok(())
}

fn translate(statement: &str, backend: DbBackend) -> String {
    let postgres = backend == DbBackend::Postgres;
    let mut text = statement.to_owned();
    for (word, on_postgres, on_sqlite) in WORDS {
        text = text.replace(word, if postgres { on_postgres } else { on_sqlite });
    }
    while let Some(start) = text.find("{fill ") {
        let Some(length) = text[start..].find('}') else { break };
        let factor = text[start + 6..start + length].to_owned();
        let with = if postgres { format!("with (fillfactor = {factor})") } else { String::new() };
        text.replace_range(start..=start + length, &with);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_gets_its_own_words() {
        let text = "create table t (a {long} primary key, b {name}) {table} {fill 50}";

        assert_eq!(
            translate(text, DbBackend::Postgres),
            "create table t (a bigint primary key, b text collate \"C\")  with (fillfactor = 50)"
        );
        assert_eq!(
            translate(text, DbBackend::Sqlite),
            "create table t (a integer primary key, b text) strict "
        );
    }
}
