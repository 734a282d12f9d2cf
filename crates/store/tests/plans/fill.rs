//! A database of a size at which a wrong plan shows.

/// Rows in the large tables.
pub(crate) const FILL: &str = "
insert into accounts (id, workspace, domain, attributes, created_at)
    select i, 'main', 'firm' || i || '.example', '{}', 0 from generate_series(1, 5000) i;
insert into contacts (id, workspace, email, crm_ids, account, owner, attributes, suppressions, created_at)
    select i, 'main', 'p' || i || '@x.example', '[]', 1 + i % 5000, 'owner' || i % 50, '{}', '{}', 0
    from generate_series(1, 100000) i;
insert into identities (hash, workspace, kind, owner)
    select md5(i::text)::uuid, 'main', 1, i from generate_series(1, 100000) i;
insert into enrollments (id, uid, workspace, contact, cadence, version, priority, state, entered_at, ended_at, entry, progress)
    select i, md5(i::text)::uuid, 'main', 1 + i % 100000, 'c' || i % 20, 1 + i % 20, 50,
        case when i % 4 = 0 then 'finished' else 'live' end, 0, case when i % 4 = 0 then 1 end, '{}', '{}'
    from generate_series(1, 200000) i;
insert into touches (id, uid, workspace, enrollment, contact, cadence, owner, step, visit, channel, lane, state, fence, due_at, attempt)
    select i, md5(i::text)::uuid, 'main', 1 + i % 200000, 1 + i % 100000, 'c' || i % 20, 'owner' || i % 50, 's', 1, 'call',
        case when i % 2 = 0 then 'crm:050' else 'inbox:060' end,
        case when i % 10 < 6 then 'scheduled' when i % 10 < 7 then 'open' else 'done' end, 0, i, 0
    from generate_series(1, 250000) i;
insert into timers (enrollment, workspace, kind, touch, lane, shard, due_at, held)
    select i, 'main', case when i % 10 = 0 then 'wait' else 'touch' end, case when i % 10 = 0 then null else i end,
        case when i % 10 = 0 then null when i % 2 = 0 then 'crm:050' else 'inbox:060' end, i % 32,
        case when i % 8 = 0 then i else 4000000000000000 + i end,
        case when i % 9 = 0 then (array['owner', 'cadence', 'all'])[1 + i % 3] end
    from generate_series(1, 200000) i;
insert into attempts (touch, no, worker, at, body)
    select i, 1, md5('w')::uuid, 0, 'x' from generate_series(1, 100000) i;
insert into results (touch, no, at, result) select i, 1, 0, '\"void\"' from generate_series(1, 100000) i;
insert into in_flight (touch, no, worker, at) select i, 1, md5('w')::uuid, 0 from generate_series(1, 200) i;
insert into remotes (workspace, remote_id, touch) select 'main', 'R' || i, i from generate_series(1, 50000) i;
insert into budgets (workspace, budget, uses, forget_after)
    select 'main', 'main/contact/' || i || '/*/7d', '[]', i from generate_series(1, 50000) i;
insert into commands (workspace, connector, touch, channel, action, tries, due_at, created_at, done_at)
    select 'main', 'crm', i, 'call', '{}', 0, i, 0, case when i % 10 > 0 then i end from generate_series(1, 50000) i;
insert into outbox (shard, messages, body)
    select i % 32, 1, 'x' from generate_series(1, 100000) i;
insert into dedupe (key, seen_at, received_at)
    select md5(i::text)::uuid, i, i from generate_series(1, 200000) i;
insert into events (contact, received_at, key, body)
    select case when i % 50 > 0 then 1 + i % 100000 end, i, md5(i::text)::uuid, 'x' from generate_series(1, 100000) i;
insert into decisions (workspace, contact, key, at, body)
    select 'main', case when i % 50 > 0 then 1 + i % 100000 end, md5(i::text)::uuid, i, 'x' from generate_series(1, 200000) i;
insert into asides (list, workspace, source, code, text, at, payload, place)
    select 'quarantine', 'main', 'website', 'c', 't', i, 'x', 'p' || i from generate_series(1, 30000) i;
insert into workers (id, beat_at, unbroken_since) values (md5('w')::uuid, 0, 0);
analyze;
";

/// Tables that grow with what passes through: no statement of everyday work may read one from end to end.
pub(crate) const LARGE: &[&str] = &[
    "accounts",
    "contacts",
    "identities",
    "enrollments",
    "touches",
    "timers",
    "attempts",
    "results",
    "remotes",
    "budgets",
    "commands",
    "outbox",
    "dedupe",
    "events",
    "decisions",
    "asides",
];
