-- What was written, hour by hour, for the charts of the status page: counts only. Written with the books of an apply, whose
-- row of the ledger is held anyway; kept for 14 days.
create table customers.history (
    workspace_id uuid        not null,
    hour         timestamptz not null,
    created      bigint      not null,
    updated      bigint      not null,
    unchanged    bigint      not null,
    deleted      bigint      not null,
    parked       bigint      not null,
    -- Changes that a poll brought by their age when written: up to 1 s, 5 s, 10 s, 30 s, 1 min, 2 min, 5 min, 10 min, 15 min,
    -- 30 min, 1 h, 6 h, 24 h, and older.
    ages         bigint[]    not null check (cardinality(ages) = 14),
    oldest_ms    bigint      not null,
    primary key (workspace_id, hour)
) with (fillfactor = 50);

alter table customers.history enable row level security;
alter table customers.history force row level security;
create policy tenant on customers.history
    using (workspace_id = (select current_setting('lanesync.workspace')::uuid))
    with check (workspace_id = (select current_setting('lanesync.workspace')::uuid));

grant select, insert, update, delete on customers.history to lanesync_writer;

-- When a sync last created, changed or archived a row.
alter table customers.ledger add column changed_at timestamptz;
