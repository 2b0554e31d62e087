-- Makes placements that are to be unpinned, for contents that the reconciler found pinned in a node's Kubo by anchorage but without a
-- placement. It passes over a content that has a placement on the node by now, and over one whose pin in this Kubo is the last copy
-- (last_copies). Kubo can list a CID twice, so one may be given twice.
-- Locks: the node's row (key share); the contents in cid order (it makes those that are missing), then the new placements.
-- Returns: the new placements, to hint; their attempt is 1 and their org null. None when the node was forgotten.
create or replace function drop_unwanted(node uuid, cids text[])
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  perform from nodes n where n.id = node for key share;
  if not found then return; end if;
  insert into contents as c (cid, wanted) select distinct u, 1 from unnest(cids) u order by u
  on conflict (cid) do update set wanted = c.wanted;
  return query
  insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
  select u, node, nextval('placement_generation'), 'unpinning', 'repair', '00000000-0000-0000-0000-000000000000',
    clock_timestamp(), clock_timestamp()
  from (select distinct x from unnest(cids) x) d (u) where not exists (select from placements q where q.cid = u and q.node_id = node)
    and u not in (select last_copies(node, cids))
  returning p.cid, p.node_id, p.generation, 1, null::uuid;
end $$;
