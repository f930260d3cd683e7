-- Mappings, the source store, the registry of picklist values, replays.
--
-- Tables with customer data are bound to the workspace of the transaction (row security, forced); what a
-- scheduler must see across workspaces holds ids and numbers only.

-- What auth told of a workspace, and the counter over all its mappings. Chunks take the row for share, whoever
-- changes epoch or mapping takes it for update.
create table mapper.workspace (
    workspace_id    uuid primary key,
    revision        bigint not null,
    epoch           bigint not null,
    plan            text not null,
    connected       boolean not null,
    mapping_version bigint not null default 0,
    disconnected_at timestamptz
);

-- What is left to do for a workspace; apart from its row, so that noting it waits for no chunk.
create table mapper.chore (
    workspace_id uuid primary key references mapper.workspace on delete cascade,
    told_version bigint not null default 0,
    told_epoch   bigint not null default 0,
    described_at timestamptz
);

create table mapper.kind_mapping (
    workspace_id  uuid not null,
    kind          text not null,
    saved_version bigint not null,
    saved_at      timestamptz not null default now(),
    primary key (workspace_id, kind)
);

create table mapper.field_mapping (
    workspace_id       uuid not null,
    kind               text not null,
    field              text not null,
    path               text not null,
    lead_path          text,
    multi_select       boolean not null,
    converts           boolean not null,
    reads_currency     boolean not null,
    leads_have_currency boolean not null,
    since              bigint not null,
    primary key (workspace_id, kind, field)
);

-- A null option means: ignore the value.
create table mapper.value_mapping (
    workspace_id uuid not null,
    kind         text not null,
    field        text not null,
    value        text collate "C" not null,
    option_key   text,
    primary key (workspace_id, kind, field, value)
);

create table mapper.custom_field (
    workspace_id uuid not null,
    kind         text not null,
    field        text not null,
    display_name text not null,
    field_type   text not null,
    created_at   timestamptz not null default now(),
    primary key (workspace_id, kind, field)
);

create table mapper.field_option (
    workspace_id uuid not null,
    kind         text not null,
    field        text not null,
    key          text not null,
    display_name text not null,
    position     int not null,
    primary key (workspace_id, kind, field, key)
);

-- The newest whole image of every record. A resync or a replay rewrites every row without touching the key: with
-- half of each page free the new version lands beside the old one and no index entry is written.
create table mapper.source_record (
    workspace_id       uuid not null,
    object             text not null,
    salesforce_id      text collate "C" not null,
    epoch              bigint not null,
    read_seq           bigint not null,
    state              text not null,
    master_id          text,
    converted_id       text,
    account_id         text,
    modified_ms        bigint not null,
    field_list_version bigint not null,
    currency           text,
    stamp              bigint not null,
    revision           int not null,
    image              text not null,
    carry              text,
    primary key (workspace_id, object, salesforce_id)
) with (fillfactor = 50);

-- The field lists that reads carried.
create table mapper.field_list (
    workspace_id uuid not null,
    object       text not null,
    version      bigint not null,
    fields       text[] not null,
    primary key (workspace_id, object, version)
);

-- Fields that a whole read brought. Every later list must carry the field for it to count as read throughout.
create table mapper.field_read (
    workspace_id       uuid not null,
    object             text not null,
    path               text not null,
    since_read_seq     bigint not null,
    field_list_version bigint not null,
    primary key (workspace_id, object, path)
);

-- Every known value of an option field, and the live records that carry it.
create table mapper.picklist_value (
    workspace_id uuid not null,
    kind         text not null,
    field        text not null,
    value        text collate "C" not null,
    id           uuid not null default gen_random_uuid(),
    label        text not null default '',
    listed_on    text[] not null default '{}',
    active       boolean not null default false,
    records      bigint not null default 0,
    lead_records bigint not null default 0,
    first_seen   timestamptz,
    last_seen    timestamptz,
    announced    bigint,
    primary key (workspace_id, kind, field, value)
);

-- Failures of chunks that we recorded ourselves.
create table mapper.chunk_failure (
    workspace_id uuid not null,
    run_id       uuid not null,
    object       text not null,
    page         int not null,
    chunk        int not null,
    read_seq     bigint not null,
    failures     int not null,
    reason       text not null,
    failed_at    timestamptz not null default now(),
    primary key (workspace_id, run_id, object, page, chunk, read_seq)
);

-- Messages that leave after the transaction that decided them. They hold ids and counts only.
create table mapper.outbox (
    id           bigint generated always as identity primary key,
    workspace_id uuid not null,
    subject      text not null,
    body         bytea not null,
    created_at   timestamptz not null default now()
);

create sequence mapper.replay_seq;

-- A replay maps what is stored once more; at most one is in hand per workspace.
create table mapper.replay (
    run_id           uuid primary key,
    workspace_id     uuid not null,
    epoch            bigint not null,
    mapping_version  bigint not null,
    phase            text not null,
    expected         bigint not null,
    mapped           bigint not null default 0,
    next_page        int not null default 0,
    cursor_object    text,
    cursor_id        text collate "C",
    applied_position bigint not null default 0,
    started_at       timestamptz not null default now(),
    ended_at         timestamptz,
    leased_until     timestamptz
);

create unique index replay_in_hand on mapper.replay (workspace_id) where phase in ('mapping', 'applying');
create index replay_newest on mapper.replay (workspace_id, started_at);

-- The manifest of a replay.
create table mapper.replay_chunk (
    run_id   uuid not null references mapper.replay on delete cascade,
    object   text not null,
    page     int not null,
    chunk    int not null,
    read_seq bigint not null,
    records  int not null,
    applied  boolean not null default false,
    primary key (run_id, object, page, chunk)
);

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array[
        'kind_mapping', 'field_mapping', 'value_mapping', 'custom_field', 'field_option', 'source_record',
        'field_list', 'field_read', 'picklist_value', 'chunk_failure'
    ] loop
        execute format('alter table mapper.%I enable row level security', tenant_table);
        execute format('alter table mapper.%I force row level security', tenant_table);
        -- The subquery is evaluated once per statement, not once per row.
        execute format(
            'create policy own_workspace on mapper.%I using (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))',
            tenant_table
        );
        execute format('grant select, insert, update, delete on mapper.%I to lanesync_mapper', tenant_table);
    end loop;
end $$;

grant select, insert, update, delete
   on mapper.workspace, mapper.chore, mapper.outbox, mapper.replay, mapper.replay_chunk
   to lanesync_mapper;
grant usage on sequence mapper.replay_seq to lanesync_mapper;
