//! The first schema.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::dialect::run;

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        "m0001_begin"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        run(db, SETTINGS).await?;
        run(db, PEOPLE).await?;
        run(db, CADENCES).await?;
        run(db, SENDING).await?;
        match db.get_database_backend() {
            DbBackend::Postgres => {
                run(db, DEDUPE_IN_ORDER).await?;
                run(db, EVENTS_IN_DAYS).await?;
            }
            _ => run(db, EVENTS).await?,
        }
        run(db, RECORDS).await
    }
}

/// What there is one of, and content.
const SETTINGS: &[&str] = &[
    // `clock.origin`, `clock.speed`, and `key.{check value}` of each secret that identities are hashed with.
    "create table settings (name {name} primary key not null, value text not null) {keyed}",
    // `epoch`: changes of the content. `row_id`: the next free row id, handed out in blocks.
    "create table counters (name {name} primary key not null, value {long} not null) {keyed}",
    "insert into counters (name, value) values ('epoch', 0), ('row_id', 1)",
    "create table offsets (
        cluster {name} not null, topic {name} not null, part {int} not null,
        next_offset {long} not null, last_id text,
        primary key (cluster, topic, part)
    ) {keyed} {fill 50}",
    "create table documents (
        id {long} primary key not null, workspace {name} not null, kind {name} not null, name {name} not null,
        number {int} not null, body text not null, is_current {int} not null, actor text not null,
        created_at {long} not null,
        unique (workspace, kind, name, number)
    ) {table}",
    "create table flags (
        scope {name} not null, workspace {name} not null, name {name} not null,
        actor text not null, set_at {long} not null,
        primary key (scope, workspace, name)
    ) {keyed}",
];

/// Who it is about.
const PEOPLE: &[&str] = &[
    // What was processed, by a digest of workspace, source and the event's digest. Not partitioned: one unique key over
    // all of it, and nothing else that a row would have to enter: rows lie in the order in which they came.
    "create table dedupe (key {uuid} primary key not null, seen_at {long} not null, received_at {long} not null) {table}",
    // The hash is of workspace and kind too.
    "create table identities (
        hash {uuid} primary key not null, workspace {name} not null, kind {int} not null,
        owner {long}, suppressions text, erased_at {long}
    ) {keyed} {fill 80}",
    "create table accounts (
        id {long} primary key not null, workspace {name} not null, domain text, crm_id text,
        attributes text not null, attributes_at {long}, created_at {long} not null
    ) {table} {fill 80}",
    "create table contacts (
        id {long} primary key not null, workspace {name} not null, email text, phone text, crm_ids text not null,
        account {long}, owner {name}, attributes text not null, attributes_at {long}, suppressions text not null,
        merged_into {long}, erased_at {long}, created_at {long} not null, last_inbound_at {long}, last_touch_at {long}
    ) {table} {fill 70}",
    "create index contacts_account on contacts (account) where account is not null",
];

/// What runs.
const CADENCES: &[&str] = &[
    // Of these three: what has a fixed width first, the widest before the others, so that nothing is padded; and room in
    // each page for a second version of every row, since those that lie together are marked and settled together.
    "create table enrollments (
        id {long} primary key not null, uid {uuid} not null unique, contact {long} not null, account {long},
        version {long} not null, entered_at {long} not null, ended_at {long}, priority {int} not null,
        workspace {name} not null, cadence {name} not null, class {name}, state {name} not null, outcome {name},
        ended_by text, entry {bytes} not null, progress {bytes} not null, trace text
    ) {table} {fill 50}",
    "create index enrollments_contact on enrollments (contact)",
    "create index enrollments_version on enrollments (version)",
    "create table touches (
        id {long} primary key not null, uid {uuid} not null, enrollment {long} not null, contact {long} not null,
        due_at {long} not null, due_by {long}, sent_at {long}, completed_at {long}, visit {int} not null,
        fence {int} not null, attempt {int} not null, workspace {name} not null, cadence {name} not null, owner {name},
        step {name} not null, part {name}, variant {name}, channel {name} not null, lane {name} not null,
        state {name} not null, reserved text, remote_id text, outcome text, note text, trace text
    ) {table} {fill 50}",
    "create index touches_enrollment on touches (enrollment)",
    "create index touches_uid on touches (uid)",
    // The CRM's ids of tasks, apart from the touches so that those are updated in place.
    "create table remotes (
        workspace {name} not null, remote_id {name} not null, touch {long} not null,
        primary key (workspace, remote_id, touch)
    ) {keyed}",
    // Deleted and inserted, never updated in place: each column but the key and the kind is in an index or its condition.
    "create table timers (
        enrollment {long} primary key not null, touch {long}, due_at {long} not null, shard {int} not null,
        workspace {name} not null, kind {name} not null, lane {name}, held {name}
    ) {table}",
    // Touches, for the dispatcher; all other kinds, for the enrollment service; what is held, for the sweep.
    "create index timers_lane on timers (lane, shard, due_at) where held is null and lane is not null",
    "create index timers_other on timers (due_at) where held is null and lane is null",
    "create index timers_held on timers (enrollment) where held is not null",
];

/// What goes out.
const SENDING: &[&str] = &[
    "create table attempts (
        touch {long} not null, no {int} not null, worker {uuid} not null, at {long} not null, body {bytes},
        primary key (touch, no)
    ) {table}",
    "create table results (
        touch {long} not null, no {int} not null, at {long} not null, result text not null,
        primary key (touch, no)
    ) {table}",
    "create table in_flight (
        touch {long} primary key not null, no {int} not null, worker {uuid} not null, at {long} not null,
        taken_at {long}
    ) {table}",
    "create table budgets (
        workspace {name} not null, budget {name} not null, uses text not null, forget_after {long} not null,
        primary key (workspace, budget)
    ) {keyed} {fill 20}",
    "create table workers (
        id {uuid} primary key not null, beat_at {long} not null, unbroken_since {long} not null
    ) {keyed} {fill 20}",
    "create table commands (
        id {serial}, workspace {name} not null, connector {name} not null, touch {long} not null,
        channel {name} not null, action text not null, tries {int} not null, due_at {long} not null,
        created_at {long} not null, done_at {long}, result text
    ) {table} {fill 70}",
    "create index commands_due on commands (due_at) where done_at is null",
    "create index commands_done on commands (done_at) where done_at is not null",
    // Several messages a row: what one transaction said in a shard. So many of them were relayed already.
    "create table outbox (
        id {serial}, shard {int} not null, messages {int} not null, relayed {int} not null default 0,
        body {bytes} not null
    ) {table}",
    "create index outbox_shard on outbox (shard, id)",
    "create table leases (
        shard {int} primary key not null, owner {uuid}, held_until {long} not null
    ) {keyed} {fill 20}",
];

/// Where old digests lie. SQLite looks at the rows themselves, whose order is kept there.
const DEDUPE_IN_ORDER: &[&str] = &["create index dedupe_seen on dedupe using brin (seen_at)"];

/// Events in a plain table. `key` is that of `dedupe`; whose it is, is found by the contact, or by a stray (migration 3).
const EVENTS: &[&str] = &[
    "create table events (
        contact integer, received_at integer not null, key blob not null, body blob not null
    ) strict",
    "create index events_received on events (received_at)",
    "create index events_contact on events (contact) where contact is not null",
    "create index events_nobody on events (key) where contact is null",
];

/// Events in a table for each day, made ahead by the store, and one for the rest.
const EVENTS_IN_DAYS: &[&str] = &[
    "create table events (
        contact bigint, received_at bigint not null, key uuid not null, body bytea not null
    ) partition by range (received_at)",
    "create table events_rest partition of events default",
    // Rows lie in the order in which they came, nearly that of this column: no row has to enter it.
    "create index events_received on events using brin (received_at)",
    "create index events_contact on events (contact) where contact is not null",
    "create index events_nobody on events (key) where contact is null",
];

/// What was decided, and what was set aside.
const RECORDS: &[&str] = &[
    // What an event that changed nothing was decided to be stands nowhere: its row in `events` says all of it.
    "create table decisions (
        id {serial}, workspace {name} not null, contact {long}, key {uuid}, at {long} not null, body {bytes} not null
    ) {table}",
    "create index decisions_contact on decisions (contact, id) where contact is not null",
    "create index decisions_workspace on decisions (workspace, id)",
    "create table asides (
        id {serial}, list {name} not null, workspace {name} not null, source {name} not null, code {name} not null,
        text text not null, at {long} not null, payload {bytes} not null, place {name} not null, redriven_at {long},
        unique (list, workspace, place)
    ) {table}",
    "create index asides_newest on asides (workspace, list, id)",
    "create index asides_at on asides (at)",
];
