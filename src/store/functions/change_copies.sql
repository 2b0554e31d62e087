-- Changes the copies of a content as a repair says: marks those on the nodes `lose` as lost and those on the nodes `find` as not lost, adds
-- `additions`, [{node, reason}], and has the copies on the nodes `dropped` unpinned. Content of which a pinned copy is found is no longer
-- lost.
-- Locks: the placements. The caller holds hold_nodes, the content and its placements.
-- Returns: the placements to hint, [{cid, node_id, generation, attempt, org_id}].
create or replace function change_copies(of_cid text, additions jsonb, dropped uuid[], lose uuid[], find uuid[]) returns jsonb
language plpgsql as $$
declare
  p record;
  number bigint;
  jobs jsonb := '[]';
begin
  if lose <> '{}' then update placements q set lost = true where q.cid = of_cid and q.node_id = any (lose); end if;
  if find <> '{}' then
    update placements q set lost = false where q.cid = of_cid and q.node_id = any (find);
    update contents c set lost_at = null where c.cid = of_cid and c.lost_at is not null
      and exists (select from placements q where q.cid = of_cid and q.state = 'pinned' and not q.lost);
  end if;
  for p in select (a ->> 'node')::uuid as node, a ->> 'reason' as reason from jsonb_array_elements(additions) a order by 1 loop
    number := add_copy(of_cid, p.node, p.reason);
    if number is not null then
      jobs := jobs || jsonb_build_object('cid', of_cid, 'node_id', p.node, 'generation', number, 'attempt', 1, 'org_id', null);
    end if;
  end loop;
  -- these were never tried: Kubo has nothing of them, so there is nothing to unpin
  delete from placements q where q.cid = of_cid and q.node_id = any (dropped) and q.state = 'queued' and q.attempts = 0
    and q.claimed_until is null and not q.verify;
  for p in
    update placements q set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
      next_attempt_at = clock_timestamp()
    where q.cid = of_cid and q.node_id = any (dropped) and q.state <> 'unpinning'
    returning q.node_id, q.generation
  loop
    jobs := jobs || jsonb_build_object('cid', of_cid, 'node_id', p.node_id, 'generation', p.generation, 'attempt', 1, 'org_id', null);
  end loop;
  return jobs;
end $$;
