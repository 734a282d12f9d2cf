//! What a database's failure asks of the caller. Messages name codes, tables and constraints, never values.

use domain::world::OutOfIds;
use ports::{StoreError, StoreResult};
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr};

/// A failure inside of a transaction, by what the store itself does about it.
#[derive(Debug)]
pub(crate) enum Fail {
    /// To be told to the caller.
    Store(StoreError),
    /// A deadlock or serialization failure: run the transaction again.
    Contended(String),
    /// The closure of a unit grew between finding and locking it: find it again.
    Grew,
    /// A fold needs more row ids.
    OutOfIds,
}

impl Fail {
    /// What the caller is told when the store can do no more about it.
    pub(crate) fn into_error(self) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Contended(text) => StoreError::Conflict(text),
            Self::Grew => StoreError::Contended("what the inputs touch kept growing".to_owned()),
            Self::OutOfIds => StoreError::Rejected("a fold makes more and more rows".to_owned()),
        }
    }
}

impl From<StoreError> for Fail {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<OutOfIds> for Fail {
    fn from(_: OutOfIds) -> Self {
        Self::OutOfIds
    }
}

impl From<sqlx::Error> for Fail {
    fn from(error: sqlx::Error) -> Self {
        classify(&error)
    }
}

impl From<DbErr> for Fail {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::Exec(RuntimeErr::SqlxError(inner))
            | DbErr::Query(RuntimeErr::SqlxError(inner))
            | DbErr::Conn(RuntimeErr::SqlxError(inner)) => classify(&inner),
            DbErr::ConnectionAcquire(_) => unavailable(NO_CONNECTION),
            DbErr::RecordNotInserted | DbErr::RecordNotUpdated => {
                Self::Contended("a row changed meanwhile".to_owned())
            }
            DbErr::Json(_) | DbErr::Type(_) | DbErr::TryIntoErr { .. } => damaged("it cannot be read"),
            _ => unavailable("the database did not answer as expected"),
        }
    }
}

/// The pool does not say which of the two it was: it tries again until the time is over.
const NO_CONNECTION: &str =
    "no connection was to be had in time: is the database there, or are all its connections in use?";

fn unavailable(text: impl Into<String>) -> Fail {
    Fail::Store(StoreError::Unavailable(text.into()))
}

fn rejected(text: impl Into<String>) -> Fail {
    Fail::Store(StoreError::Rejected(text.into()))
}

fn damaged(text: impl Into<String>) -> Fail {
    Fail::Store(StoreError::Damaged(text.into()))
}

fn inconsistent(text: impl Into<String>) -> Fail {
    Fail::Store(StoreError::Inconsistent(text.into()))
}

fn classify(error: &sqlx::Error) -> Fail {
    use sqlx::Error;
    match error {
        Error::Database(inner) => classify_answer(&**inner),
        Error::Io(error) => unavailable(error.to_string()),
        Error::Tls(_) => unavailable("no secure connection to the database"),
        Error::PoolTimedOut => unavailable(NO_CONNECTION),
        Error::PoolClosed | Error::WorkerCrashed => unavailable("the store is shutting down"),
        Error::RowNotFound => inconsistent("a row that must be there is not"),
        Error::Encode(_) | Error::InvalidArgument(_) => {
            rejected("a value cannot be written as the column's type")
        }
        Error::Configuration(_) => inconsistent("the store's address or settings cannot be used"),
        Error::ColumnDecode { .. } | Error::Decode(_) => damaged("it cannot be read"),
        // Of the schema, not of the row.
        Error::TypeNotFound { .. } | Error::ColumnIndexOutOfBounds { .. } | Error::ColumnNotFound(_) => {
            inconsistent("a statement's columns are not the ones expected")
        }
        _ => unavailable("the connection to the database broke"),
    }
}

/// An answer with a code: five characters from PostgreSQL, a number from SQLite.
fn classify_answer(error: &dyn sqlx::error::DatabaseError) -> Fail {
    let code = error.code().unwrap_or_default().into_owned();
    let place = [error.table(), error.constraint()].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let place = if place.is_empty() { String::new() } else { format!(" in {place}") };
    if code.len() == 5 {
        return classify_sqlstate(&code, &place, error.message());
    }
    classify_sqlite(code.parse().unwrap_or(0), error.message())
}

fn classify_sqlstate(code: &str, place: &str, message: &str) -> Fail {
    match code {
        "40001" | "40P01" | "40003" => Fail::Contended(format!("PostgreSQL {code}")),
        // Undefined table, column or function: another schema.
        "42P01" | "42703" | "42883" => inconsistent(format!("the schema is another one (PostgreSQL {code})")),
        // Read-only: a standby, or a failover under way.
        "25006" | "25P03" => unavailable(format!("PostgreSQL {code}")),
        _ => match &code[..2] {
            // Data, constraint, and program limits (a row too big) of the data given.
            "22" | "23" | "54" => rejected(format!("PostgreSQL {code}{place}")),
            "28" => inconsistent(format!(
                "PostgreSQL {code}: {message} (see the user and the password in store.url)"
            )),
            "3D" => inconsistent(format!("PostgreSQL {code}: {message} (create it first: createdb)")),
            // Syntax and access: of our making or the operator's.
            "42" | "3F" => inconsistent(format!("PostgreSQL {code}: {message}")),
            _ => unavailable(format!("PostgreSQL {code}")),
        },
    }
}

fn classify_sqlite(code: i32, message: &str) -> Fail {
    match code & 0xff {
        // Busy, locked.
        5 | 6 => unavailable("another process holds the store's file"),
        // Constraint, mismatch, too big, range.
        18 | 19 | 20 | 25 => rejected(format!("SQLite {code}")),
        11 => inconsistent(format!("SQLite {code}: the file is damaged; restore it from a backup")),
        26 => inconsistent(format!("SQLite {code}: the file is no SQLite database")),
        // A general error: a missing table or column, a statement that cannot be read.
        1 => inconsistent(format!("SQLite {code}: {message}")),
        13 => unavailable("the disk is full"),
        _ => unavailable(format!("SQLite {code}")),
    }
}

/// A column that cannot be read. The driver's words may hold the value, so only the place is said.
pub(crate) fn read(place: usize, _error: &sqlx::Error) -> StoreError {
    StoreError::Damaged(format!("its column {place} cannot be read"))
}

/// A stored word that no longer means anything.
pub(crate) fn known<T>(value: Option<T>, what: &'static str) -> StoreResult<T> {
    value.ok_or_else(|| StoreError::Damaged(format!("its {what} is unknown to this version")))
}
