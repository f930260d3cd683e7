-- What the extractor knows: workspaces and whose turn it is, what is covered, runs and their manifests.
-- Times that end in _ms are Salesforce's clock in milliseconds; timestamptz is ours. They are never compared.

-- The order of all our reads of Salesforce, over all workspaces. Never reset, never lower than a value given out before.
create sequence extractor.read_seq as bigint;

-- One row per workspace: what auth told, whose turn it is, who reads, what it waits for. No customer data, no row security:
-- the scheduler looks at all of them.
create table extractor.workspace (
    workspace_id       uuid        not null primary key,
    revision           bigint      not null,
    epoch              bigint      not null,
    plan               text        not null check (plan in ('starter', 'pro', 'business')),
    connected          boolean     not null,
    org_id             text        collate "C" not null default '',
    start_ms           bigint,
    first_sync_started boolean     not null default false,
    compare_due        boolean     not null default false,
    poll_seconds       integer     not null default 300 check (poll_seconds between 60 and 86400),
    next_poll_at       timestamptz not null default 'infinity',
    due_at             timestamptz not null default 'infinity',
    served_at          timestamptz not null default '-infinity',
    reader             uuid,
    reader_until       timestamptz not null default '-infinity',
    fence              bigint      not null default 0,
    wait_reason        text        not null default '',
    wait_until         timestamptz,
    org_calls_used     bigint,
    org_calls_limit    bigint,
    last_success_at    timestamptz,
    changed_at         timestamptz not null default now()
);
create index workspace_due on extractor.workspace (due_at);

-- Calls of ours per hour, for our share of the org's day.
create table extractor.api_usage (
    workspace_id uuid        not null,
    hour         timestamptz not null,
    calls        bigint      not null,
    primary key (workspace_id, hour)
);

-- One pass over one or more objects.
create table extractor.run (
    workspace_id     uuid        not null,
    run_id           uuid        not null,
    purpose          text        not null
        check (purpose in ('first_load', 'span', 'poll', 'resync', 'reread', 'daily', 'refetch')),
    phase            text        not null
        check (phase in ('queued', 'reading', 'applying', 'completed', 'failed', 'cancelled', 'needs_look')),
    reason           text        not null default '',
    epoch            bigint      not null,
    request_id       uuid,
    started_at       timestamptz not null default now(),
    ended_at         timestamptz,
    api_calls        bigint      not null default 0,
    applied_position bigint      not null default 0,
    applied_at       timestamptz not null default now(),
    primary key (workspace_id, run_id)
);
-- One whole pass and one poll at a time: a second wish finds the running one.
create unique index run_one_pass on extractor.run (workspace_id)
    where purpose in ('first_load', 'span', 'resync', 'reread', 'daily') and phase in ('queued', 'reading', 'applying');
create unique index run_one_poll on extractor.run (workspace_id)
    where purpose = 'poll' and phase in ('queued', 'reading', 'applying');
create unique index run_request on extractor.run (workspace_id, request_id) where request_id is not null;
create index run_newest on extractor.run (workspace_id, started_at desc, run_id desc);

-- One object in a run: what is left to do, and how far it is.
create table extractor.run_object (
    workspace_id       uuid    not null,
    run_id             uuid    not null,
    object             text    not null check (object in ('account', 'contact', 'lead')),
    work               jsonb,
    reason             text    not null default '',
    path               text    not null default 'rest' check (path in ('rest', 'bulk')),
    next_page          integer not null default 0,
    field_list_version bigint,
    first_read_seq     bigint,
    cursor_ms          bigint,
    expected           bigint,
    read               bigint  not null default 0,
    mapped             bigint  not null default 0,
    written            bigint  not null default 0,
    parked             bigint  not null default 0,
    primary key (workspace_id, run_id, object),
    foreign key (workspace_id, run_id) references extractor.run on delete cascade
);

-- Every chunk that was published and acked: the run is complete when each is applied.
create table extractor.manifest (
    workspace_id uuid        not null,
    run_id       uuid        not null,
    object       text        not null,
    page         integer     not null,
    chunk        integer     not null,
    read_seq     bigint      not null,
    epoch        bigint      not null,
    records      integer     not null,
    keys         text        collate "C" not null,
    applied      boolean     not null default false,
    read_again   smallint    not null default 0,
    committed_at timestamptz not null default now(),
    primary key (workspace_id, run_id, object, page, chunk),
    foreign key (workspace_id, run_id) references extractor.run on delete cascade
);
create index manifest_open on extractor.manifest (workspace_id, run_id) where not applied;

-- Records to be read by id.
create table extractor.pending (
    workspace_id uuid   not null,
    run_id       uuid   not null,
    object       text   not null,
    id           text   collate "C" not null,
    cause        text   not null
        check (cause in ('deleted', 'parent', 'unseen', 'refetch', 'again', 'contacts_of')),
    primary key (workspace_id, run_id, object, id),
    foreign key (workspace_id, run_id) references extractor.run on delete cascade
);

-- What is covered of each object.
create table extractor.coverage (
    workspace_id      uuid    not null,
    object            text    not null check (object in ('account', 'contact', 'lead')),
    epoch             bigint  not null,
    loaded            boolean not null default false,
    poll_cursor_ms    bigint,
    delete_cursor_ms  bigint,
    covered_from_ms   bigint,
    synced_to_ms      bigint,
    unstamped_as_of_ms bigint,
    paused_reason     text    not null default '',
    broken_fields     text[]  not null default '{}',
    needs_look        boolean not null default false,
    retry_at          timestamptz,
    primary key (workspace_id, object)
);

-- Field lists, numbered; committed before the first read that uses them, never lowered.
create table extractor.field_list (
    workspace_id uuid        not null,
    object       text        not null,
    version      bigint      not null,
    fields       text[]      not null,
    committed_at timestamptz not null default now(),
    primary key (workspace_id, object, version)
);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['run', 'run_object', 'manifest', 'pending', 'coverage', 'field_list']
    loop
        execute format('alter table extractor.%I enable row level security', tenant_table);
        execute format('alter table extractor.%I force row level security', tenant_table);
        execute format(
            'create policy workspace on extractor.%I using (workspace_id = current_setting(''lanesync.workspace'')::uuid)',
            tenant_table);
    end loop;
end $$;

grant usage on sequence extractor.read_seq to lanesync_extractor;
grant select, insert, update, delete on all tables in schema extractor to lanesync_extractor;

-- The kill switch: a row without a workspace stops all Salesforce traffic, one with it that workspace's. Looked at before
-- every turn and every two seconds within one.
create table extractor.traffic_stop (
    workspace_id uuid,
    reason       text        not null,
    created_at   timestamptz not null default now()
);
grant select on extractor.traffic_stop to lanesync_extractor;
