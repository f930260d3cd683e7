-- Where a chain of the audit log goes on from once entries older than a year are gone.
create table auth.audit_anchor (
    workspace_id uuid   primary key,
    number       bigint not null check (number > 0),
    hash         bytea  not null check (octet_length(hash) = 32)
);

-- The service can't take an entry away; it can only ask for this, which keeps a year whatever it asks.
create function auth.forget_old_audit(of_workspace uuid) returns bigint
    language plpgsql
    security definer
    set search_path = pg_catalog, pg_temp
as $$
declare
    last record;
    forgotten bigint;
begin
    select number, hash into last
      from auth.audit
     where workspace_id = of_workspace and happened_at < now() - interval '1 year'
     order by number desc
     limit 1;
    if not found then
        return 0;
    end if;
    insert into auth.audit_anchor (workspace_id, number, hash)
    values (of_workspace, last.number, last.hash)
    on conflict (workspace_id) do update set number = excluded.number, hash = excluded.hash;
    delete from auth.audit where workspace_id = of_workspace and number <= last.number;
    get diagnostics forgotten = row_count;
    return forgotten;
end
$$;
revoke all on function auth.forget_old_audit(uuid) from public;
grant execute on function auth.forget_old_audit(uuid) to lanesync_auth;

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['audit_anchor'] loop
        execute format('alter table auth.%I enable row level security', tenant_table);
        execute format('alter table auth.%I force row level security', tenant_table);
        execute format(
            'create policy tenant on auth.%I
                using (workspace_id = (select current_setting(''lanesync.workspace'')::uuid))', tenant_table);
    end loop;
end
$$;

grant select on auth.audit_anchor to lanesync_auth;
