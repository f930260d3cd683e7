-- Erase orders, the keys they forbid, and the audit log.

-- How many keys of the workspace are erased. Applies hold the row, so they see an order as soon as it stands.
alter table customers.workspace add column erased bigint not null default 0;

-- Keys whose values were erased, by hash, with the version that was held. No message writes them again.
create table customers.erased (
    workspace_id    uuid        not null,
    key_hash        bytea       not null check (octet_length(key_hash) = 32),
    epoch           bigint      not null,
    read_seq        bigint      not null,
    mapping_version bigint      not null,
    revision        integer     not null,
    erased_at       timestamptz not null default now(),
    primary key (workspace_id, key_hash)
);

-- Orders by the id that the caller gave. The keys stand here in the clear until the mapper has erased them too.
create table customers.erase_order (
    workspace_id     uuid        not null,
    order_id         uuid        not null,
    -- Hash of what the caller named.
    named_hash       bytea       not null check (octet_length(named_hash) = 32),
    actor            text        not null,
    rows_erased      bigint      not null,
    pending_keys     text[]      not null,
    ordered_at       timestamptz not null default now(),
    source_erased_at timestamptz,
    primary key (workspace_id, order_id)
);
create index erase_order_pending on customers.erase_order (workspace_id, ordered_at) where source_erased_at is null;

-- Who did what, when, with which result; each row holds the hash of the one before. No values.
create table customers.audit (
    workspace_id  uuid        not null,
    number        bigint      not null check (number > 0),
    happened_at   timestamptz not null,
    actor         text        not null,
    action        text        not null,
    outcome       text        not null,
    detail        text        not null,
    previous_hash bytea       not null check (octet_length(previous_hash) = 32),
    hash          bytea       not null check (octet_length(hash) = 32),
    primary key (workspace_id, number)
);

-- Where a chain goes on from once entries older than a year are gone.
create table customers.audit_anchor (
    workspace_id uuid   primary key,
    number       bigint not null check (number > 0),
    hash         bytea  not null check (octet_length(hash) = 32)
);

-- The service can't take an entry away; it can only ask for this, which keeps a year whatever it asks.
create function customers.forget_old_audit(of_workspace uuid) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    last record;
    forgotten bigint;
begin
    select number, hash into last
      from customers.audit
     where workspace_id = of_workspace and happened_at < now() - interval '1 year'
     order by number desc
     limit 1;
    if not found then
        return 0;
    end if;
    insert into customers.audit_anchor (workspace_id, number, hash)
    values (of_workspace, last.number, last.hash)
    on conflict (workspace_id) do update set number = excluded.number, hash = excluded.hash;
    delete from customers.audit where workspace_id = of_workspace and number <= last.number;
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
revoke all on function customers.forget_old_audit(uuid) from public;
grant execute on function customers.forget_old_audit(uuid) to lanesync_writer;

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['erased', 'erase_order', 'audit', 'audit_anchor'] loop
        execute format('alter table customers.%I enable row level security', tenant_table);
        execute format('alter table customers.%I force row level security', tenant_table);
        execute format(
            'create policy tenant on customers.%I
                using (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))', tenant_table);
    end loop;
end
$$;

-- Nothing lifts an erasure, and nothing changes what was logged.
grant select, insert on customers.erased, customers.audit to lanesync_writer;
grant select, insert, update on customers.erase_order to lanesync_writer;
grant select on customers.audit_anchor to lanesync_writer;
