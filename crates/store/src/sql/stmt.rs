//! A statement under construction.

use uuid::Uuid;

use super::rows::RowSet;

/// Which database is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    Postgres,
    Sqlite,
}

/// A parameter.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Uuid(Option<Uuid>),
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    BytesList(Vec<Option<Vec<u8>>>),
    Uuids(Vec<Option<Uuid>>),
}

impl From<i64> for Arg {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Arg {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl From<&str> for Arg {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Arg {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Arg {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Arg {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Uuid> for Arg {
    fn from(value: Uuid) -> Self {
        Self::Uuid(Some(value))
    }
}

/// A statement and its parameters. The text depends on the call site alone, never on the values or their number, so that
/// it stays prepared.
#[derive(Debug, Clone)]
pub(crate) struct Stmt {
    pub(super) dialect: Dialect,
    pub(super) text: String,
    pub(super) args: Vec<Arg>,
}

impl Stmt {
    pub(crate) fn new(dialect: Dialect, text: &str) -> Self {
        Self { dialect, text: text.to_owned(), args: Vec::new() }
    }

    /// The same statement with words before it.
    pub(crate) fn explained(mut self, words: &str) -> Self {
        self.text.insert_str(0, words);
        self
    }

    /// Goes on with text.
    pub(crate) fn sql(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Goes on with the text of the database spoken to.
    pub(crate) fn either(self, postgres: &str, sqlite: &str) -> Self {
        match self.dialect {
            Dialect::Postgres => self.sql(postgres),
            Dialect::Sqlite => self.sql(sqlite),
        }
    }

    /// One value.
    pub(crate) fn bind(mut self, value: impl Into<Arg>) -> Self {
        self.args.push(value.into());
        let sign = if self.dialect == Dialect::Postgres { '$' } else { '?' };
        self.text.push(sign);
        self.text.push_str(&self.args.len().to_string());
        self
    }

    /// A list of numbers: an array, or a JSON text.
    pub(crate) fn ints(self, values: Vec<Option<i64>>) -> Self {
        match self.dialect {
            Dialect::Postgres => self.bind(Arg::Ints(values)).sql("::bigint[]"),
            Dialect::Sqlite => self.bind(serde_json::json!(values).to_string()),
        }
    }

    /// A list of texts: an array, or a JSON text.
    pub(crate) fn texts(self, values: Vec<String>) -> Self {
        match self.dialect {
            Dialect::Postgres => {
                self.bind(Arg::Texts(values.into_iter().map(Some).collect())).sql("::text[]")
            }
            Dialect::Sqlite => self.bind(serde_json::json!(values).to_string()),
        }
    }

    /// `= any (…)`: one of the numbers.
    pub(crate) fn any(self, values: impl IntoIterator<Item = i64>) -> Self {
        let values: Vec<Option<i64>> = values.into_iter().map(Some).collect();
        match self.dialect {
            Dialect::Postgres => self.sql(" = any(").bind(Arg::Ints(values)).sql("::bigint[])"),
            Dialect::Sqlite => {
                let json = serde_json::json!(values).to_string();
                self.sql(" in (select value from json_each(").bind(json).sql("))")
            }
        }
    }

    /// `= any (…)`: one of the texts.
    pub(crate) fn any_text(self, values: impl IntoIterator<Item = String>) -> Self {
        let values: Vec<Option<String>> = values.into_iter().map(Some).collect();
        match self.dialect {
            Dialect::Postgres => self.sql(" = any(").bind(Arg::Texts(values)).sql("::text[])"),
            Dialect::Sqlite => {
                let json = serde_json::json!(values).to_string();
                self.sql(" in (select value from json_each(").bind(json).sql("))")
            }
        }
    }

    /// A set of rows as a table `v` with the set's columns.
    pub(crate) fn rows(self, set: RowSet) -> Self {
        match self.dialect {
            Dialect::Postgres => set.unnest(self),
            Dialect::Sqlite => set.json_each(self),
        }
    }

    /// Locks the rows of `alias` that the statement gives; SQLite's single writer needs no lock.
    pub(crate) fn lock(self, alias: &str) -> Self {
        let text = format!(" for no key update of {alias}");
        self.either(&text, "")
    }

    /// The same, leaving out what another transaction has locked.
    pub(crate) fn lock_free(self, alias: &str) -> Self {
        let text = format!(" for no key update of {alias} skip locked");
        self.either(&text, "")
    }

    /// Share-locks the rows of `alias` that the statement gives.
    pub(crate) fn share(self, alias: &str) -> Self {
        let text = format!(" for share of {alias}");
        self.either(&text, "")
    }
}
