-- Keys that are erased, and the audit log.

-- How many keys of the workspace are erased. Chunks hold the row, so they see an order as soon as it stands.
alter table mapper.workspace add column erased bigint not null default 0;

-- Keys whose images were erased, by hash. No read stores them again.
create table mapper.erased (
    workspace_id uuid        not null,
    key_hash     bytea       not null check (octet_length(key_hash) = 32),
    order_id     uuid        not null,
    erased_at    timestamptz not null default now(),
    primary key (workspace_id, key_hash)
);

-- Who did what, when, with which result; each row holds the hash of the one before. No values.
create table mapper.audit (
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
create table mapper.audit_anchor (
    workspace_id uuid   primary key,
    number       bigint not null check (number > 0),
    hash         bytea  not null check (octet_length(hash) = 32)
);

-- The service can't take an entry away; it can only ask for this, which keeps a year whatever it asks.
create function mapper.forget_old_audit(of_workspace uuid) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    last record;
    forgotten bigint;
begin
    select number, hash into last
      from mapper.audit
     where workspace_id = of_workspace and happened_at < now() - interval '1 year'
     order by number desc
     limit 1;
    if not found then
        return 0;
    end if;
    insert into mapper.audit_anchor (workspace_id, number, hash)
    values (of_workspace, last.number, last.hash)
    on conflict (workspace_id) do update set number = excluded.number, hash = excluded.hash;
    delete from mapper.audit where workspace_id = of_workspace and number <= last.number;
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
revoke all on function mapper.forget_old_audit(uuid) from public;
grant execute on function mapper.forget_old_audit(uuid) to lanesync_mapper;

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['erased', 'audit', 'audit_anchor'] loop
        execute format('alter table mapper.%I enable row level security', tenant_table);
        execute format('alter table mapper.%I force row level security', tenant_table);
        execute format(
            'create policy tenant on mapper.%I
                using (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))', tenant_table);
    end loop;
end
$$;

-- Nothing lifts an erasure, and nothing changes what was logged.
grant select, insert on mapper.erased, mapper.audit to lanesync_mapper;
grant select on mapper.audit_anchor to lanesync_mapper;
