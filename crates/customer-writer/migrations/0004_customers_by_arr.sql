-- Customers by revenue, highest first: the order in which people look at a long list. A write that leaves ARR as it was
-- touches this index no more than the others, so a pass that finds nothing new still stays within its pages.
create index if not exists customer_arr on customers.customer (workspace_id, (arr is null), (-coalesce(arr, 0)), lane_id)
    where is_root and held;
