//! The conformance suite on SQLite files, and on PostgreSQL where `DRUMBEAT_TEST_POSTGRES` names one.

mod databases;

mod sqlite {
    use crate::databases::SqliteFile;

    testkit::store_conformance!(SqliteFile::make);
}

mod postgres {
    use crate::databases::PostgresDatabase;

    testkit::store_conformance!(PostgresDatabase::make);
}
