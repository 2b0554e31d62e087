-- For the reconciler: queues placements again that are pinned according to Postgres and missing in the node's Kubo, and marks their
-- contents for repair.
-- Locks: contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the placements that are queued now.
create or replace function requeue_missing(node uuid, cids text[])
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  return query
  update placements p set state = 'queued', generation = nextval('placement_generation'), reason = 'repair', verify = true,
    attempts_before = p.attempts, retrying = false, wanted_since = clock_timestamp(), next_attempt_at = clock_timestamp()
  where p.node_id = node and p.cid = any (cids) and p.state = 'pinned'
  returning p.cid, p.node_id, p.generation, 1, p.org_id;
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
  perform fold_contents(cids);
end $$;
