-- Workspaces and plans, Salesforce connections, sealed tokens, and what auth owes to others.
--
-- Two kinds of tables:
--   * tenant tables hold what belongs to one customer; row level security is forced, the tenant is the setting
--     lanesync.workspace of the transaction, and without it the statement fails;
--   * tables that a scheduler reads across workspaces (workspace, push, ending, refresh_schedule, traffic) hold ids,
--     counters and times only, no customer data, and carry no policy.

do $$
begin
    if to_regnamespace('auth') is null then
        create schema auth;
    end if;
end
$$;

grant usage on schema auth to lanesync_auth;

-- A customer of Lane, its plan, and the newest revision and epoch of its state.
create table auth.workspace (
    workspace_id  uuid        primary key,
    ordinal       bigint      generated always as identity unique,
    display_name  text        not null check (char_length(display_name) between 1 and 200),
    plan          text        not null check (plan in ('starter', 'pro', 'business')),
    created_at    timestamptz not null,
    -- Grows with every change that the other services are told of.
    revision      bigint      not null check (revision > 0),
    -- Grows with every connect, disconnect and change of org; never falls.
    epoch         bigint      not null default 0 check (epoch >= 0),
    grant_state   text        not null default 'never'
                              check (grant_state in ('never', 'active', 'revoked', 'disconnecting', 'disconnected')),
    -- The connection that counts: tokens of any other are on their way to being revoked and destroyed.
    connection_id uuid,
    -- Kill switch of this workspace.
    stopped       boolean     not null default false
);
create index workspace_by_grant_state on auth.workspace (grant_state);

-- Kill switch of the whole installation; one row.
create table auth.traffic (
    only_row boolean primary key default true check (only_row),
    stopped  boolean not null default false
);
insert into auth.traffic default values;

-- The newest connection of a workspace, ended or not.
create table auth.connection (
    workspace_id        uuid        primary key references auth.workspace,
    connection_id       uuid        not null,
    flow                text        not null check (flow in ('web', 'client_credentials')),
    epoch               bigint      not null,
    org_id              text        collate "C" not null,
    -- The org whose customers are here; empty once they were purged.
    bound_org_id        text        collate "C",
    org_name            text        not null,
    sandbox             boolean     not null,
    instance_url        text        not null,
    login_url           text        not null,
    salesforce_username text        not null,
    start_at            timestamptz,
    connected_at        timestamptz not null,
    connected_by        text        not null,
    ended_at            timestamptz,
    purge               boolean     not null default false,
    -- Revision that told the others of the disconnect.
    ended_revision      bigint
);

-- Grows with every token of every connection, so a generation names one token for ever.
create sequence auth.token_generation as bigint;

-- Sealed tokens. Key and texts open only with the workspace, connection, epoch and field that they were sealed for.
create table auth.token (
    workspace_id   uuid        not null references auth.workspace,
    connection_id  uuid        not null,
    epoch          bigint      not null,
    flow           text        not null check (flow in ('web', 'client_credentials')),
    login_url      text        not null,
    org_id         text        collate "C" not null,
    instance_url   text        not null,
    generation     bigint      not null,
    issued_at      timestamptz not null,
    kek_id         text        not null,
    wrapped_key    bytea       not null,
    refresh_token  bytea,
    access_token   bytea,
    -- Salesforce said that the grant is dead.
    dead           boolean     not null default false,
    -- Until then the tokens may still become a connection: it is being asked whose they are.
    adopt_until    timestamptz,
    -- When the first attempt to revoke was made.
    revoke_since   timestamptz,
    primary key (workspace_id, connection_id)
);

-- A call to the token endpoint that was begun and whose answer is not stored. Committed before the call.
create table auth.refresh_intent (
    workspace_id    uuid        not null references auth.workspace,
    connection_id   uuid        not null,
    generation      bigint      not null,
    begun_at        timestamptz not null,
    -- True until an answer came, whatever it was.
    in_doubt        boolean     not null,
    -- Attempts that brought no token, in a row.
    failures        integer     not null default 0,
    next_attempt_at timestamptz not null,
    primary key (workspace_id, connection_id)
);

-- OAuth flows that were begun. The state itself is not stored, only its hash.
create table auth.flow (
    workspace_id       uuid        not null references auth.workspace,
    state_hash         bytea       not null check (octet_length(state_hash) = 32),
    flow_id            uuid        not null,
    login_url          text        not null,
    kek_id             text        not null,
    wrapped_key        bytea       not null,
    verifier           bytea       not null,
    start_at           timestamptz,
    actor              text        not null,
    confirm_org_switch boolean     not null,
    created_at         timestamptz not null,
    expires_at         timestamptz not null,
    step               text        not null default 'started'
                                   check (step in ('started', 'taken', 'exchanged', 'stored', 'failed')),
    primary key (workspace_id, state_hash)
);

-- What the other services are told of a workspace, by revision.
create table auth.workspace_state (
    workspace_id uuid    not null references auth.workspace,
    revision     bigint  not null,
    epoch        bigint  not null,
    plan         text    not null,
    connected    boolean not null,
    org_id       text    collate "C" not null,
    instance_url text    not null,
    start_at     timestamptz,
    purge        boolean not null,
    -- The end of a connection is told even if it is over by then: data of the old epoch goes with it.
    must_deliver boolean not null,
    primary key (workspace_id, revision)
);

-- Who has been told which revision.
create table auth.push (
    workspace_id          uuid        not null references auth.workspace,
    peer                  text        not null check (peer in ('extractor', 'mapper', 'writer')),
    wanted_revision       bigint      not null,
    acknowledged_revision bigint      not null default 0,
    -- To be told the newest revision once more: a peer may have lost it in a restore.
    retell                boolean     not null default false,
    failures              integer     not null default 0,
    next_attempt_at       timestamptz not null,
    primary key (workspace_id, peer)
);
create index push_due on auth.push (next_attempt_at) where acknowledged_revision < wanted_revision or retell;

-- Workspaces with tokens to revoke or a disconnect to finish.
create table auth.ending (
    workspace_id    uuid        primary key references auth.workspace,
    failures        integer     not null default 0,
    next_attempt_at timestamptz not null
);

-- When an idle connection is refreshed, so that Salesforce's idle limit never ends it.
create table auth.refresh_schedule (
    workspace_id uuid        primary key references auth.workspace,
    due_at       timestamptz not null
);
create index refresh_schedule_due on auth.refresh_schedule (due_at);

-- Who did what, when, with which result; each row holds the hash of the one before. The nil workspace is the operator's.
create table auth.audit (
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

do $$
declare
    tenant_table text;
begin
    foreach tenant_table in array array['connection', 'token', 'refresh_intent', 'flow', 'workspace_state', 'audit']
    loop
        execute format('alter table auth.%I enable row level security', tenant_table);
        execute format('alter table auth.%I force row level security', tenant_table);
        execute format(
            'create policy tenant on auth.%I using (workspace_id = current_setting(''lanesync.workspace'')::uuid)',
            tenant_table
        );
    end loop;
end
$$;

grant select, insert, update on auth.workspace to lanesync_auth;
grant select, update on auth.traffic to lanesync_auth;
grant select, insert, update on auth.connection to lanesync_auth;
grant usage on sequence auth.token_generation to lanesync_auth;
grant select, insert, update, delete on auth.token to lanesync_auth;
grant select, insert, update, delete on auth.refresh_intent to lanesync_auth;
grant select, insert, update, delete on auth.flow to lanesync_auth;
grant select, insert, delete on auth.workspace_state to lanesync_auth;
grant select, insert, update on auth.push to lanesync_auth;
grant select, insert, update, delete on auth.ending to lanesync_auth;
grant select, insert, update, delete on auth.refresh_schedule to lanesync_auth;
-- Append-only: the service can neither change nor remove what it wrote.
grant select, insert on auth.audit to lanesync_auth;
