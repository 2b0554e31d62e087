-- Part of want_contents: asks again for the placements that exist of the contents of `items`. A placement that failed or is being unpinned
-- is queued again with a new generation, and backoff and age count from `at`. A placement that is lost or leaving stays as it is and does
-- not count as a copy. The same holds for one on none of the content's `nodes` that is being unpinned or that failed for want of room.
-- The fold of a content with a failed placement has to go on (`folding`).
-- The caller holds the contents' rows.
-- Locks: placements by cid and node.
-- Returns: {cid: {copies, pinned, pinning, attempts, woken, nodes}}, without content that has no placement. `copies` is how many placements
-- count as copies, and `pinning` how many of these are being pinned; `pinned` is how many placements are pinned and not lost; `attempts` is
-- the sum of all their attempts; `woken` are the placements to hint at: [{nodeId, generation, attempt}]; `nodes` are the ids of all nodes
-- with a placement.
create or replace function wake_placements(items jsonb, usual int, at timestamptz) returns jsonb language plpgsql as $$
declare
  p record;
  number bigint;
  h jsonb;
  had jsonb := '{}';
begin
  for p in
    select q.*, w.nodes, w.origins
    from (select i.cid, (array_agg(to_jsonb(i.nodes) order by coalesce(i.replicas, usual) desc))[1] as nodes,
            bool_or(i.origins is not null) as origins
          from jsonb_to_recordset(items) as i (cid text, replicas int, origins jsonb, nodes uuid[]) group by i.cid order by i.cid) w
    cross join lateral (select * from placements q where q.cid = w.cid order by q.node_id for update) q
  loop
    h := coalesce(had -> p.cid, '{"pinned": 0, "pinning": 0, "attempts": 0, "copies": 0, "nodes": [], "woken": []}');
    h := h || jsonb_build_object('attempts', (h ->> 'attempts')::int + p.attempts);
    -- other pins of this content may show `failed`, and the accept is about to change its copies
    if p.state = 'failed' then update contents c set folding = true where c.cid = p.cid; end if;
    if p.lost or p.leaving
      or (not p.nodes ? p.node_id::text and (p.state = 'unpinning' or p.state = 'failed' and p.error_code = 'node_full'))
    then
      -- lost, leaving, or on a node that would not be chosen now: the placement is left as it is, and does not count as a copy
      h := h || jsonb_build_object('pinned', (h ->> 'pinned')::int + (p.state = 'pinned' and not p.lost)::int);
    elsif p.state = 'pinned' then
      h := h || jsonb_build_object('copies', (h ->> 'copies')::int + 1, 'pinned', (h ->> 'pinned')::int + 1);
    else
      number := case when p.state in ('failed', 'unpinning') then nextval('placement_generation') else p.generation end;
      update placements q set
        state = case when q.state = 'pinning' then q.state else 'queued' end, generation = number,
        verify = q.verify or q.state = 'unpinning',
        attempts_before = q.attempts, retrying = false, crashes = 0,
        wanted_since = at, next_attempt_at = least(q.next_attempt_at, at)
      where q.cid = p.cid and q.node_id = p.node_id;
      h := h || jsonb_build_object('copies', (h ->> 'copies')::int + 1,
        'pinning', (h ->> 'pinning')::int + (p.state = 'pinning')::int);
      if p.state <> 'pinning' or p.origins then
        h := jsonb_set(h, '{woken}', (h -> 'woken') || jsonb_build_object('nodeId', p.node_id, 'generation', number, 'attempt', 1));
      end if;
    end if;
    had := had || jsonb_build_object(p.cid, jsonb_set(h, '{nodes}', (h -> 'nodes') || to_jsonb(p.node_id)));
  end loop;
  return had;
end $$;
