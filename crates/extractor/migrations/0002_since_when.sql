-- Since when a workspace waits, and since when it has its plan: what people are told beside the state.
alter table extractor.workspace
    add column wait_since timestamptz,
    add column plan_since timestamptz;
