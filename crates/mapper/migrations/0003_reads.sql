-- Which run made which read, and when: one row per page, so that the story of a field can name them without a wider row for
-- every record. Rows that no image names any more are forgotten.
create table mapper.read (
    workspace_id uuid        not null,
    read_seq     bigint      not null,
    run_id       uuid        not null,
    -- Salesforce's own clock.
    read_at      timestamptz not null,
    primary key (workspace_id, read_seq)
);

alter table mapper.read enable row level security;
alter table mapper.read force row level security;
create policy own_workspace on mapper.read
    using (workspace_id = (select current_setting('lanesync.workspace')::uuid));
grant select, insert, update, delete on mapper.read to lanesync_mapper;

-- When reads that nothing names any more were last looked for.
alter table mapper.chore add column reads_swept_at timestamptz not null default now();
