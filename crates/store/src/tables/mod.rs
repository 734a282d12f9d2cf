//! The rows of the domain as columns, one file a table: what to select, how to read it, how to write a set of it.

pub(crate) mod account;
pub(crate) mod contact;
pub(crate) mod enrollment;
pub(crate) mod identity;
pub(crate) mod timer;
pub(crate) mod touch;

use domain::id::Workspace;
use ports::{StoreError, StoreResult};

use crate::error::Fail;
use crate::sql::{Conn, RowSet, Stmt, moment};
use jiff::Timestamp;

/// A stored name, checked again.
pub(crate) fn name<T: TryFrom<String>>(text: String, what: &'static str) -> StoreResult<T> {
    T::try_from(text).map_err(|_| StoreError::Damaged(format!("its {what} is not a name")))
}

/// A stored name or none.
pub(crate) fn opt_name<T: TryFrom<String>>(
    text: Option<String>,
    what: &'static str,
) -> StoreResult<Option<T>> {
    text.map(|text| name(text, what)).transpose()
}

pub(crate) fn workspace(text: String) -> StoreResult<Workspace> {
    name(text, "workspace")
}

pub(crate) fn opt_moment(micros: Option<i64>) -> Option<Timestamp> {
    micros.map(moment)
}

/// The columns with the table's alias before each.
pub(crate) fn select(columns: &str, alias: &str) -> String {
    columns.split(", ").map(|column| format!("{alias}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Inserts a set of rows; a row whose key is there already is an error of the data.
pub(crate) async fn insert(conn: &mut Conn, table: &'static str, set: RowSet) -> Result<(), Fail> {
    if set.is_empty() {
        return Ok(());
    }
    let rows = set.len();
    let stmt = insert_from(conn, table, set);
    conn.run_exactly(stmt, rows, table).await
}

/// The insert of a set, to be ended by the caller.
pub(crate) fn insert_from(conn: &Conn, table: &'static str, set: RowSet) -> Stmt {
    let names = set.names().join(", ");
    conn.stmt(&format!("insert into {table} ({names}) select {} from ", select(&names, "v")))
        .rows(set)
        .sql(" where true")
}

/// Writes the columns given of rows that were locked before, found by `key`.
pub(crate) async fn update(
    conn: &mut Conn,
    table: &'static str,
    key: &'static str,
    set: RowSet,
) -> Result<(), Fail> {
    if set.is_empty() {
        return Ok(());
    }
    let rows = set.len();
    let names = set.names();
    let sets: Vec<String> =
        names.iter().filter(|name| **name != key).map(|name| format!("{name} = v.{name}")).collect();
    let stmt = conn
        .stmt(&format!("update {table} set {} from ", sets.join(", ")))
        .rows(set)
        .sql(&format!(" where {table}.{key} = v.{key}"));
    conn.run_exactly(stmt, rows, table).await
}
