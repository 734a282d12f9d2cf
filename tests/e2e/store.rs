//! The store of a deployment, read from outside and past every line of our code: only so can a test count what is there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use serde_json::{Map, Value};

use crate::deployment::{Shape, run_name};

/// Where the store is.
pub(crate) enum Database {
    /// A file of `up`.
    File(PathBuf),
    /// The URL of a database of the test's own.
    Server(String),
}

/// `hex(column)` on PostgreSQL, for one session, so that one text of a query serves both databases.
const HEX: &str = r"
create function pg_temp.hex(bytea) returns text language sql as $$ select upper(encode($1, 'hex')) $$;
create function pg_temp.hex(uuid) returns text language sql as $$ select upper(replace($1::text, '-', '')) $$;
";

impl Database {
    /// Makes the database where a server holds it.
    pub(crate) fn prepare(shape: &Shape, test: &str, folder: &Path) -> Self {
        match shape {
            Shape::Embedded => Self::File(folder.join("data/drumbeat.db")),
            Shape::Roles { postgres, .. } => {
                let name = run_name(test);
                psql(postgres, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
                psql(postgres, &format!("CREATE DATABASE {name}"));
                let (server, _) = postgres.rsplit_once('/').unwrap();
                Self::Server(format!("{server}/{name}"))
            }
        }
    }

    /// The URL of a database on a server.
    pub(crate) fn url(&self) -> &str {
        match self {
            Self::File(_) => panic!("a file is named by the data folder"),
            Self::Server(url) => url,
        }
    }

    /// The rows of a query. `hex(column)` gives the hexadecimal digits of bytes and ids on either database.
    pub(crate) fn rows(&self, query: &str) -> Vec<Value> {
        match self {
            Self::File(file) => read_file(file, query),
            Self::Server(url) => {
                let query = query.replace("hex(", "pg_temp.hex(");
                let out = psql(url, &format!("{HEX} select row_to_json(q)::text from ({query}) q"));
                out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
            }
        }
    }
}

fn psql(url: &str, statements: &str) -> String {
    let output = Command::new("psql").args([url, "-qAtc", statements]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn read_file(file: &Path, query: &str) -> Vec<Value> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    let mut statement = connection.prepare(query).unwrap();
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let rows = statement.query_map([], |row| {
        let mut columns = Map::new();
        for (place, name) in names.iter().enumerate() {
            let value = match row.get_ref(place)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(number) => number.into(),
                ValueRef::Real(number) => number.into(),
                ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
                ValueRef::Blob(_) => panic!("column {name} is bytes: ask for hex({name})"),
            };
            columns.insert(name.clone(), value);
        }
        Ok(Value::Object(columns))
    });
    rows.unwrap().map(Result::unwrap).collect()
}
