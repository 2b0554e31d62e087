-- Reads the placements of a node that are to be unpinned now and are not claimed: at most `most`, those due longest first.
-- Locks: nothing.
-- Returns: the placements; their attempt is 1.
create or replace function due_unpins(node uuid, most int) returns table (cid text, generation bigint, attempt int, org_id uuid, state text)
language sql stable as $$
  select p.cid, p.generation, 1, p.org_id, p.state from placements p
  -- an index finds what is before a stable function; clock_timestamp() would be compared with every row
  where p.node_id = node and p.state = 'unpinning' and p.next_attempt_at <= statement_timestamp() and not is_claimed(p.claimed_until)
  order by p.next_attempt_at limit most
$$;
