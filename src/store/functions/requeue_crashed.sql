-- Ends the claims of these contents whose time is over, or whose node has started again since: the work stopped without a finish. The
-- placement is queued again, or fails when this happens the fifth time in a row.
-- Locks: contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the placements whose claims ended, also those that failed. `attempt` is the number of the next attempt.
create or replace function requeue_crashed(cids text[]) returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  return query
  update placements p set
    state = case when p.crashes >= 4 then 'failed' else 'queued' end,
    crashes = p.crashes + 1, verify = true, retrying = p.crashes >= 1,
    error_code = 'crashed', error = 'the node stopped in the middle of pinning this',
    next_attempt_at = clock_timestamp(), claimed_until = null, claimed_by = null, claimed_generation = null
  where p.cid = any (cids) and p.state = 'pinning'
    and (p.claimed_until < clock_timestamp() or p.claimed_by < (select n.incarnation from nodes n where n.id = p.node_id))
  returning p.cid, p.node_id, p.generation, p.attempts - p.attempts_before + 1, p.org_id;
  update contents c set unsettled = true
  where c.cid = any (cids) and not c.unsettled
    and exists (select from placements p where p.cid = c.cid and p.state = 'failed'
      and (p.reason <> 'new' or exists (select from placements q where q.cid = p.cid and q.node_id <> p.node_id)));
  perform fold_contents(cids);
end $$;
