-- The share of the org's daily calls that people chose for a workspace, and by which request; null: the operator's share.
alter table extractor.workspace
    add column api_budget_percent    smallint check (api_budget_percent between 1 and 100),
    add column api_budget_request_id uuid;
