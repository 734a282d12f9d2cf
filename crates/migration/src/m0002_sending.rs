//! Sending by connector and by workspace: commands are found by their connector, due touches by their workspace, and the
//! rate of a connector is shared out by a row.

use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0002_sending"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager.get_connection(), SENDING).await
    }
}

const SENDING: &[&str] = &[
    "create index commands_lane on commands (connector, due_at) where done_at is null",
    "drop index commands_due",
    // The earliest of each workspace is one look into the index; the shard is at its end, to be filtered by.
    "create index timers_due on timers (lane, workspace, due_at, shard) where held is null and lane is not null",
    "drop index timers_lane",
    // Who may start how many requests of a connector's rate, until when.
    "create table permits (
        connector {name} primary key not null, holders text not null
    ) {keyed} {fill 20}",
];
