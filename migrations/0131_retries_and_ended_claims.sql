-- min_code: 22
-- A claim whose time is over, for example because Postgres could not be reached, is no crash: its placement is queued again, and
-- `claimed_by` and `claimed_generation` stay. The same process may go on with it. When the node has started again since, the process ended
-- in the middle, which counts in `crashes`.

-- Which orgs have retries on this node that became due after a given time? Which retries are due too far ahead?
create index placements_retries on placements (node_id, next_attempt_at, org_id) where state = 'queued' and retrying;
-- Which queued placements had a claim whose time was over? Their node may have started again since.
create index placements_overtaken on placements (node_id) where state = 'queued' and claimed_generation = generation;
