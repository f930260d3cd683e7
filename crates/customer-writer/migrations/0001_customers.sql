-- Customers, contacts, locks, tombstones, aliases, parked records, applied chunks, the change feed.

-- Edits by people run as a role of their own, so that the database can tell them from the sync. Roles belong to
-- the whole cluster and only the administrator may make one; several databases may do so at the same moment.
reset role;
do $$
begin
    for attempt in 1..50 loop
        begin
            if not exists (select from pg_catalog.pg_roles where rolname = 'lanesync_writer_edit') then
                create role lanesync_writer_edit nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
            end if;
            if not pg_has_role('lanesync_writer', 'lanesync_writer_edit', 'member') then
                grant lanesync_writer_edit to lanesync_writer;
            end if;
            return;
        exception
            when duplicate_object or unique_violation or internal_error then
                perform pg_sleep(0.02);
        end;
    end loop;
    raise exception 'the role lanesync_writer_edit could not be made';
end
$$;
set role lanesync_owner;

grant usage on schema customers to lanesync_writer, lanesync_writer_edit;

-- What is known about a workspace. Every apply and every edit holds the row `for share`; who changes it, or moves
-- aliases, holds it `for update`. No customer data, hence no policy: the outbox looks across workspaces.
create table customers.workspace (
    workspace_id    uuid    primary key,
    revision        bigint  not null default 0,
    epoch           bigint  not null default 0,
    connected       boolean not null default false,
    plan            text    not null default 'starter',
    org_id          text,
    instance_url    text,
    mapping_version bigint  not null default 0,
    -- [{"kind": "account", "field": "arr", "source": "Account.AnnualRevenue"}]
    locks           jsonb   not null default '[]',
    -- [{"kind": "account", "field": "tier", "type": "option", "options": ["gold"]}]
    rules           jsonb   not null default '[]',
    rules_version   bigint  not null default 0,
    updated_at      timestamptz not null default now()
);

-- The counters of a workspace. Its row is locked last and until the commit, so whoever sees a position or a
-- sequence sees every smaller one too.
create table customers.ledger (
    workspace_id       uuid   primary key references customers.workspace on delete cascade,
    position           bigint not null default 0,
    sequence           bigint not null default 0,
    published_sequence bigint not null default 0
) with (fillfactor = 20);

-- One row per source key, and one per customer made by hand. What a write of the sync always changes stands first.
-- Every read of Salesforce rewrites the guard of its rows, page by page: half of each page is kept free, so that a whole
-- pass stays within its pages and touches no index. Measured: 37 % less CPU than fillfactor 70, and less disk after a pass.
create table customers.customer (
    workspace_id    uuid     not null,
    own_id          uuid     not null,
    -- The id that people see: the oldest own id among the keys that mean the same customer.
    lane_id         uuid     not null,
    -- The guard: greater wins.
    epoch           bigint   not null default 0,
    read_seq        bigint   not null default 0,
    mapping_version bigint   not null default 0,
    modified_ms     bigint   not null default 0,
    sync_run_id     uuid,
    revision        integer  not null default 0,
    -- What the last write changed: 1 anything, 2 arr, 4 tier, 8 status, 16 created, 32 archived or back.
    touched         smallint not null default 0,
    -- 1 live, 2 deleted, 3 merged, 4 converted, 5 not visible.
    state           smallint not null default 1 check (state between 1 and 5),
    -- Whether this row stands for its group of keys, and whether a live image of it was ever written.
    is_root         boolean  not null default true,
    held            boolean  not null default true,
    -- Columns that the last image wrote, and columns that carry a picklist value without mapping; bits in catalogue order.
    set_mask        integer  not null default 0,
    unmapped        integer  not null default 0,
    row_hash        bigint   not null default 0,
    etag            bigint   not null default 1,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    archived_at     timestamptz,
    hidden_at       timestamptz,
    employee_count  numeric,
    arr             numeric,
    source          text     not null default 'salesforce' check (source in ('salesforce', 'lane')),
    -- The 18-character id, byte-exact; the own id for rows made by hand.
    key             text     collate "C" not null,
    sync_trace_id   text,
    target_id       text     collate "C",
    -- Version of the newest live image; only while the row is not live, else the guard says it.
    image_version   bigint[],
    name            text,
    website         text,
    domain          text,
    arr_currency    text,
    tier            text,
    status          text,
    industry        text,
    owner_name      text,
    owner_email     text,
    phone           text,
    country         text,
    description     text,
    custom          jsonb    not null default '{}',
    custom_unmapped jsonb    not null default '{}',
    primary key (workspace_id, key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);

create unique index customer_root on customers.customer (workspace_id, lane_id) where is_root;
create index customer_grouped on customers.customer (workspace_id, key)
    where not is_root or lane_id <> own_id or target_id is not null;
create index customer_member on customers.customer (workspace_id, lane_id) where not is_root;
create index customer_former on customers.customer (workspace_id, own_id) where lane_id <> own_id;
create index customer_target on customers.customer (workspace_id, target_id) where target_id is not null;

-- People; the same shape. Leads and contacts share the table, their ids differ by prefix.
create table customers.contact (
    workspace_id    uuid     not null,
    own_id          uuid     not null,
    lane_id         uuid     not null,
    epoch           bigint   not null default 0,
    read_seq        bigint   not null default 0,
    mapping_version bigint   not null default 0,
    modified_ms     bigint   not null default 0,
    sync_run_id     uuid,
    revision        integer  not null default 0,
    touched         smallint not null default 0,
    state           smallint not null default 1 check (state between 1 and 5),
    is_root         boolean  not null default true,
    held            boolean  not null default true,
    set_mask        integer  not null default 0,
    unmapped        integer  not null default 0,
    row_hash        bigint   not null default 0,
    etag            bigint   not null default 1,
    created_at      timestamptz not null default now(),
    updated_at      timestamptz not null default now(),
    archived_at     timestamptz,
    hidden_at       timestamptz,
    -- The customer of a contact made by hand.
    customer_id     uuid,
    source          text     not null default 'salesforce' check (source in ('salesforce', 'lane')),
    object          text     not null default 'contact' check (object in ('contact', 'lead')),
    key             text     collate "C" not null,
    -- The account by its source id: it may arrive later, or mean another row by then, so it is looked up when read.
    account_id      text     collate "C",
    sync_trace_id   text,
    target_id       text     collate "C",
    image_version   bigint[],
    name            text,
    email           text,
    phone           text,
    title           text,
    status          text,
    tier            text,
    country         text,
    company         text,
    owner_name      text,
    custom          jsonb    not null default '{}',
    custom_unmapped jsonb    not null default '{}',
    primary key (workspace_id, key)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);

create unique index contact_root on customers.contact (workspace_id, lane_id) where is_root;
create index contact_grouped on customers.contact (workspace_id, key)
    where not is_root or lane_id <> own_id or target_id is not null;
create index contact_member on customers.contact (workspace_id, lane_id) where not is_root;
create index contact_former on customers.contact (workspace_id, own_id) where lane_id <> own_id;
create index contact_target on customers.contact (workspace_id, target_id) where target_id is not null;
create index contact_account on customers.contact (workspace_id, account_id) where account_id is not null;
create index contact_customer on customers.contact (workspace_id, customer_id) where customer_id is not null;

-- Chunks whose effect is durable; a run is complete when all of its chunks stand here.
create table customers.applied_chunk (
    workspace_id uuid   not null,
    run_id       uuid   not null,
    object       text   not null,
    page         bigint not null,
    chunk        bigint not null,
    read_seq     bigint not null,
    part         bigint not null,
    parts        bigint not null,
    mapped       bigint not null,
    written      bigint not null,
    parked       bigint not null,
    position     bigint not null,
    applied_at   timestamptz not null default now(),
    primary key (workspace_id, run_id, object, page, chunk, read_seq, part)
);
create index applied_chunk_position on customers.applied_chunk (workspace_id, run_id, position);

-- Records set aside with a reason; no values. A chunk that could not be read as records has its place as key.
create table customers.parked (
    workspace_id    uuid    not null,
    object          text    not null,
    key             text    collate "C" not null,
    salesforce_id   text    collate "C",
    code            text    not null,
    field           text    not null default '',
    run_id          uuid    not null,
    epoch           bigint  not null,
    read_seq        bigint  not null,
    mapping_version bigint  not null,
    revision        integer not null,
    parked_at       timestamptz not null default now(),
    requeued_at     timestamptz,
    primary key (workspace_id, object, key)
);
create index parked_newest on customers.parked (workspace_id, parked_at desc, object, key);

-- Failures that we recorded ourselves; the broker's delivery count decides nothing.
create table customers.chunk_failure (
    workspace_id uuid    not null,
    chunk_key    text    collate "C" not null,
    failures     integer not null,
    failed_at    timestamptz not null default now(),
    primary key (workspace_id, chunk_key)
);

-- The change feed for Signals, in order and without gaps.
create table customers.change (
    workspace_id uuid        not null,
    sequence     bigint      not null,
    customer_id  uuid        not null,
    fields       text[]      not null,
    continued_by uuid,
    changed_at   timestamptz not null default now(),
    primary key (workspace_id, sequence)
);

-- The tenant of a transaction; an unset or empty one is an error, never "all".
do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['customer', 'contact', 'applied_chunk', 'parked', 'chunk_failure', 'change'] loop
        execute format('alter table customers.%I enable row level security', tenant_table);
        execute format('alter table customers.%I force row level security', tenant_table);
        execute format(
            'create policy tenant on customers.%I
                using (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))
                with check (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))', tenant_table);
    end loop;
end
$$;

-- Locks in the database itself: whoever is not the sync can't change a field that a mapping feeds, nor what says
-- where a row comes from.
create function customers.refuse_locked_edit() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
declare
    editable constant text[] := array[
        'name', 'website', 'domain', 'arr', 'arr_currency', 'tier', 'status', 'industry', 'employee_count',
        'owner_name', 'owner_email', 'phone', 'country', 'description', 'email', 'title', 'company',
        'custom', 'etag', 'row_hash', 'touched', 'updated_at'];
    row_kind constant text := case tg_table_name when 'customer' then 'account' else 'contact' end;
    before constant jsonb := to_jsonb(old);
    after constant jsonb := to_jsonb(new);
    lock record;
begin
    if old.source = 'lane' then
        if before - editable - 'customer_id'::text <> after - editable - 'customer_id'::text then
            raise exception 'the columns that say where a row comes from are not edited' using errcode = 'LS002';
        end if;
        return new;
    end if;
    if before - editable <> after - editable then
        raise exception 'the columns that say where a row comes from are not edited' using errcode = 'LS002';
    end if;
    for lock in
        select l.field
          from customers.workspace w
         cross join jsonb_to_recordset(w.locks) as l (kind text, field text)
         where w.workspace_id = old.workspace_id and w.connected and l.kind = row_kind
    loop
        if (before -> lock.field) is distinct from (after -> lock.field)
            or (lock.field = 'arr' and before -> 'arr_currency' is distinct from after -> 'arr_currency')
            or (before #> array['custom', lock.field]) is distinct from (after #> array['custom', lock.field])
        then
            raise exception 'a mapping feeds the field' using errcode = 'LS001', column = lock.field;
        end if;
    end loop;
    return new;
end
$$;

create function customers.refuse_foreign_row() returns trigger
    language plpgsql
    set search_path = pg_catalog, pg_temp
as $$
begin
    if tg_op = 'DELETE' then
        if old.source <> 'lane' then
            raise exception 'only the sync removes rows that came from Salesforce' using errcode = 'LS002';
        end if;
        return old;
    end if;
    if new.source <> 'lane' then
        raise exception 'only the sync makes rows that come from Salesforce' using errcode = 'LS002';
    end if;
    return new;
end
$$;

create trigger locked before update on customers.customer
    for each row when (current_user <> 'lanesync_writer') execute function customers.refuse_locked_edit();
create trigger locked before update on customers.contact
    for each row when (current_user <> 'lanesync_writer') execute function customers.refuse_locked_edit();
create trigger foreign_row before insert or delete on customers.customer
    for each row when (current_user <> 'lanesync_writer') execute function customers.refuse_foreign_row();
create trigger foreign_row before insert or delete on customers.contact
    for each row when (current_user <> 'lanesync_writer') execute function customers.refuse_foreign_row();

grant select, insert, update on customers.workspace, customers.ledger to lanesync_writer;
grant select, insert, update, delete
    on customers.customer, customers.contact, customers.applied_chunk, customers.parked, customers.chunk_failure,
       customers.change
    to lanesync_writer;

grant select on customers.workspace, customers.customer, customers.contact to lanesync_writer_edit;
grant insert on customers.customer, customers.contact to lanesync_writer_edit;
grant update (name, website, domain, arr, arr_currency, tier, status, industry, employee_count, owner_name, owner_email,
              phone, country, description, custom, etag, row_hash, touched, updated_at)
    on customers.customer to lanesync_writer_edit;
grant update (name, email, phone, title, status, tier, country, company, owner_name, customer_id, custom, etag, row_hash,
              touched, updated_at)
    on customers.contact to lanesync_writer_edit;
