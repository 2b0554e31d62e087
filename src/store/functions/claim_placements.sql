-- Claims the placements of a node that `jobs`, [{cid, generation}], names, for `lease_ms`. It passes over one whose generation is another,
-- one that is not due, and one that this incarnation of the node (`boot`) has claimed already. A claim ends with finish_placements,
-- when its time is over, or when the node starts again.
-- It does not wait for the disk: a placement whose claim Postgres loses in a crash is queued again, and the claim's finish changes nothing.
-- Locks: the placements in cid order.
-- Returns: one row a claim. `state`: pinning or unpinning. `attempt`: its number since the content was last asked for. `origins`: at most
-- 60 multiaddrs; they show whether pins offer any, and content_origins lists them by org. `holders`: at most 60 multiaddrs of nodes
-- with a pinned copy. `verify`: ask Kubo before believing that the content is pinned. `age_ms`: time since it was last asked for.
-- `foreign_pin`: Kubo had a pin of it under another name.
create or replace function claim_placements(node uuid, boot bigint, lease_ms bigint, jobs jsonb)
returns table (cid text, generation bigint, state text, attempt int, origins text[], holders text[], verify boolean, age_ms bigint,
  foreign_pin boolean)
language plpgsql as $$
#variable_conflict use_column
declare
  at timestamptz := clock_timestamp();
  tids tid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(p.ctid) into tids
  from (select j.cid, j.generation from jsonb_to_recordset(jobs) as j (cid text, generation bigint) order by j.cid) j
  cross join lateral (
    select q.ctid from placements q
    where q.cid = j.cid and q.node_id = node and q.generation = j.generation
      -- a first attempt is due from the beginning, even if the clock of the database was ahead when it was asked for
      and q.state in ('queued', 'unpinning') and (q.next_attempt_at <= at or not q.retrying and q.next_attempt_at < 'infinity')
      and (not is_claimed(q.claimed_until) or q.claimed_by <> boot) for update) p;
  if tids is null then return; end if;
  return query
  with taken as (
    update placements q set
      state = case q.state when 'queued' then 'pinning' else q.state end,
      attempts = q.attempts + case q.state when 'queued' then 1 else 0 end,
      -- an earlier claim that was not finished may have left a pin in Kubo
      verify = q.verify or q.claimed_until is not null,
      -- a time ahead would show at every finish that the content was asked for again since
      wanted_since = least(q.wanted_since, at),
      claimed_until = at + make_interval(secs => lease_ms / 1000.0), claimed_by = boot, claimed_generation = q.generation,
      -- while it is claimed, this is the time of the claim: a later wanted_since shows that the content was asked for again since
      next_attempt_at = at, blocks = 0, bytes = 0
    where q.ctid = any (tids)
    returning q.*
  )
  select t.cid, t.generation, t.state, t.attempts - t.attempts_before,
    array(select o from (select w.origins from pins w where w.cid = t.cid and w.origins is not null limit 20) w, unnest(w.origins) o
          limit 60),
    -- lost copies come last: their nodes do not answer
    array(select a from (select h.node_id, h.lost from placements h
                         where h.cid = t.cid and h.node_id <> node and h.state = 'pinned' offset 0) h
          join nodes n on n.id = h.node_id, unnest(n.multiaddrs) a order by h.lost limit 60),
    t.verify, (extract(epoch from at - t.wanted_since) * 1000)::bigint, t.foreign_pin
  from taken t;
end $$;
