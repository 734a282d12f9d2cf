//! What retention and erasure look rows up by.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0003_keeping"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        run(db, RETENTION).await?;
        run(db, ERASURE).await
    }
}

/// Rows that are kept for a time.
const RETENTION: &[&str] = &[
    // Set when what an ended enrollment left behind is gone. The last of a contact and cadence stays, for re-entry.
    "alter table enrollments add column swept {int}",
    "create index enrollments_ended on enrollments (ended_at) where ended_at is not null and swept is null",
];

/// People who are to be forgotten.
const ERASURE: &[&str] = &[
    // Erasures whose traces in other tables are still to be removed; `names`: what they were called, gone with the row.
    "create table erasures (
        id {serial}, workspace {name} not null, contact {long}, names text not null, at {long} not null
    ) {table}",
    // Events that name somebody by a key under which they are not found: of nobody, or of someone else, the contact.
    "create table strays (
        identity {uuid} not null, key {uuid} not null, contact {long}, at {long} not null,
        primary key (identity, key)
    ) {keyed}",
    "create index strays_at on strays (at)",
    "create index decisions_nobody on decisions (key) where contact is null",
    "create index contacts_merged on contacts (merged_into) where merged_into is not null",
    "create index commands_touch on commands (touch)",
];
