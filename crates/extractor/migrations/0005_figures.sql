-- What the figures of the fleet are made of, for all workspaces at once: no customer data, no row security. Tables of their own,
-- because the schedule's rows are locked and written all the time.

-- Where each workspace stands, as it was last decided; absent until then. Who takes a row moves it back in the queue.
create table extractor.standing (
    workspace_id uuid        not null primary key,
    state        text        check (state in ('plan_required', 'not_connected', 'disconnected', 'connecting', 'auth_revoked',
                                              'quota_exhausted', 'first_sync', 'degraded', 'healthy')),
    due_at       timestamptz not null default now()
);
create index standing_due on extractor.standing (due_at);
insert into extractor.standing (workspace_id) select workspace_id from extractor.workspace;

-- When an object was last wholly applied, and up to which time of Salesforce. The row of an older epoch counts for nothing.
create table extractor.applied (
    workspace_id uuid        not null,
    object       text        not null check (object in ('account', 'contact', 'lead')),
    epoch        bigint      not null,
    synced_to_ms bigint,
    applied_at   timestamptz not null,
    primary key (workspace_id, object)
);

grant select, insert, update, delete on extractor.standing, extractor.applied to lanesync_extractor;
