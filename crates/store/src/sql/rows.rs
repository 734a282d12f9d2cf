//! A set of rows as one parameter a column (PostgreSQL: `unnest`) or one for all (SQLite: `json_each`).

use serde_json::Value;
use uuid::Uuid;

use super::stmt::{Arg, Stmt};

/// Rows to read, insert or update by.
#[derive(Debug, Clone, Default)]
pub(crate) struct RowSet {
    columns: Vec<(&'static str, Cells)>,
    length: usize,
}

#[derive(Debug, Clone)]
enum Cells {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Uuid(Vec<Option<Uuid>>),
}

impl RowSet {
    pub(crate) fn new(length: usize) -> Self {
        Self { columns: Vec::new(), length }
    }

    fn with(mut self, name: &'static str, cells: Cells) -> Self {
        self.columns.push((name, cells));
        self
    }

    /// A column of numbers.
    pub(crate) fn int(self, name: &'static str, values: impl Iterator<Item = i64>) -> Self {
        self.with(name, Cells::Int(values.map(Some).collect()))
    }

    /// A column of numbers or null.
    pub(crate) fn opt_int(self, name: &'static str, values: impl Iterator<Item = Option<i64>>) -> Self {
        self.with(name, Cells::Int(values.collect()))
    }

    /// A column of texts.
    pub(crate) fn text<S: Into<String>>(self, name: &'static str, values: impl Iterator<Item = S>) -> Self {
        self.with(name, Cells::Text(values.map(|text| Some(text.into())).collect()))
    }

    /// A column of texts or null.
    pub(crate) fn opt_text<S: Into<String>>(
        self,
        name: &'static str,
        values: impl Iterator<Item = Option<S>>,
    ) -> Self {
        self.with(name, Cells::Text(values.map(|text| text.map(Into::into)).collect()))
    }

    /// A column of bytes.
    pub(crate) fn bytes(self, name: &'static str, values: impl Iterator<Item = Vec<u8>>) -> Self {
        self.with(name, Cells::Bytes(values.map(Some).collect()))
    }

    /// A column of bytes or null.
    pub(crate) fn opt_bytes(self, name: &'static str, values: impl Iterator<Item = Option<Vec<u8>>>) -> Self {
        self.with(name, Cells::Bytes(values.collect()))
    }

    /// A column of ids.
    pub(crate) fn uuid(self, name: &'static str, values: impl Iterator<Item = Uuid>) -> Self {
        self.with(name, Cells::Uuid(values.map(Some).collect()))
    }

    /// A column of ids or null.
    pub(crate) fn opt_uuid(self, name: &'static str, values: impl Iterator<Item = Option<Uuid>>) -> Self {
        self.with(name, Cells::Uuid(values.collect()))
    }

    /// How many rows.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Whether there are none: then no statement is needed.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The names of the columns.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|(name, _)| *name).collect()
    }

    pub(super) fn unnest(self, stmt: Stmt) -> Stmt {
        let names = self.names().join(", ");
        let mut stmt = stmt.sql("unnest(");
        for (place, (_, cells)) in self.columns.into_iter().enumerate() {
            if place > 0 {
                stmt = stmt.sql(", ");
            }
            let (arg, cast) = match cells {
                Cells::Int(values) => (Arg::Ints(values), "::bigint[]"),
                Cells::Text(values) => (Arg::Texts(values), "::text[]"),
                Cells::Bytes(values) => (Arg::BytesList(values), "::bytea[]"),
                Cells::Uuid(values) => (Arg::Uuids(values), "::uuid[]"),
            };
            stmt = stmt.bind(arg).sql(cast);
        }
        stmt.sql(") as v(").sql(&names).sql(")")
    }

    pub(super) fn json_each(self, stmt: Stmt) -> Stmt {
        let mut stmt = stmt.sql("(select ");
        for (place, (name, cells)) in self.columns.iter().enumerate() {
            let separator = if place > 0 { ", " } else { "" };
            let cell = format!("value ->> {place}");
            let cell = match cells {
                Cells::Int(_) | Cells::Text(_) => cell,
                Cells::Bytes(_) | Cells::Uuid(_) => format!("unhex({cell})"),
            };
            stmt = stmt.sql(&format!("{separator}{cell} as {name}"));
        }
        let json = self.json();
        stmt.sql(" from json_each(").bind(json).sql(")) as v")
    }

    fn json(self) -> String {
        let mut rows: Vec<Vec<Value>> =
            (0..self.length).map(|_| Vec::with_capacity(self.columns.len())).collect();
        for (_, cells) in self.columns {
            let values: Box<dyn Iterator<Item = Value>> = match cells {
                Cells::Int(values) => Box::new(values.into_iter().map(Value::from)),
                Cells::Text(values) => Box::new(values.into_iter().map(Value::from)),
                Cells::Bytes(values) => {
                    Box::new(values.into_iter().map(|bytes| Value::from(bytes.map(hex::encode))))
                }
                Cells::Uuid(values) => {
                    Box::new(values.into_iter().map(|id| Value::from(id.map(|id| id.simple().to_string()))))
                }
            };
            for (row, value) in rows.iter_mut().zip(values) {
                row.push(value);
            }
        }
        Value::from(rows.into_iter().map(Value::from).collect::<Vec<_>>()).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::super::stmt::Dialect;
    use super::*;

    fn set() -> RowSet {
        RowSet::new(2)
            .int("id", [1, 2].into_iter())
            .opt_text("name", [Some("a"), None].into_iter())
            .bytes("hash", [vec![1], vec![255]].into_iter())
    }

    #[test]
    fn postgres_takes_an_array_a_column() {
        let stmt = Stmt::new(Dialect::Postgres, "select * from ").rows(set());

        assert_eq!(
            stmt.text,
            "select * from unnest($1::bigint[], $2::text[], $3::bytea[]) as v(id, name, hash)"
        );
        assert_eq!(stmt.args.len(), 3);
    }

    #[test]
    fn sqlite_takes_one_json_text() {
        let stmt = Stmt::new(Dialect::Sqlite, "select * from ").rows(set());

        assert_eq!(
            stmt.text,
            "select * from (select value ->> 0 as id, value ->> 1 as name, unhex(value ->> 2) as hash \
             from json_each(?1)) as v"
        );
        assert!(
            matches!(&stmt.args[..], [Arg::Text(Some(json))] if json == r#"[[1,"a","01"],[2,null,"ff"]]"#)
        );
    }
}
