-- Ends the claims of these contents whose time is over, or whose node has started again since: their work stopped without a finish. The
-- placements are queued again.
-- A node that has started again shows that its process ended in the middle. That is a crash; the fifth one in a row fails the placement.
-- When only its time is over, the claim counts for nothing, since a process that works well cannot extend its claims while Postgres is
-- away. `claimed_by` and `claimed_generation` stay: the process may go on with the claim (extend_claims, finish_placements); and when the
-- node starts again before that, the claim counts as a crash after all.
-- Locks: contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the placements whose claims ended, also those that failed. `attempt` is the number of the next attempt.
create or replace function end_claims(cids text[]) returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
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
  where p.cid = any (cids) and p.claimed_by < (select n.incarnation from nodes n where n.id = p.node_id)
    and (p.state = 'pinning' or p.state = 'queued' and p.claimed_generation = p.generation)
  returning p.cid, p.node_id, p.generation, p.attempts - p.attempts_before + 1, p.org_id;
  return query
  update placements p set state = 'queued', verify = true, claimed_until = null,
    -- the time when the claim began; the process may go on with it
    next_attempt_at = least(p.next_attempt_at, clock_timestamp())
  where p.cid = any (cids) and p.state = 'pinning' and not is_claimed(p.claimed_until)
  returning p.cid, p.node_id, p.generation, p.attempts - p.attempts_before + 1, p.org_id;
  update contents c set unsettled = true
  where c.cid = any (cids) and not c.unsettled
    and exists (select from placements p where p.cid = c.cid and p.state = 'failed'
      and (p.reason <> 'new' or exists (select from placements q where q.cid = p.cid and q.node_id <> p.node_id)));
  perform fold_contents(cids);
end $$;
