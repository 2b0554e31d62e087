-- Reads the retries of a node that are due: of the given orgs, in this order, at most `per_org` of each, and each org's first before any
-- org's second, up to `most` rows. One that is claimed comes too, so that its org keeps its turn; its claim is refused.
-- Locks: nothing.
-- Returns: the placements. `attempt` is the number of the attempt that is due. An org with nothing due has no row.
create or replace function due_retries(node uuid, orgs uuid[], per_org int, most int)
returns table (cid text, generation bigint, attempt int, org_id uuid, state text) language sql stable as $$
  select d.cid, d.generation, d.attempts - d.attempts_before + 1, d.org_id, d.state
  from unnest(orgs) with ordinality as o (org_id, n)
  cross join lateral (
    select p.*, row_number() over (order by p.next_attempt_at) as turn from (
      select * from placements q
      -- With a constant the planner might take the index placements_retries, and pass over the retries of all orgs to find those of one.
      where q.node_id = node and q.state = 'queued' and q.retrying = (select true) and q.org_id = o.org_id
        and q.next_attempt_at <= statement_timestamp()
      order by q.next_attempt_at limit per_org) p) d
  order by d.turn, o.n limit most
$$;
