-- Releases at most `most` contents whose grace is over (`unpin_after`) and that still no pin wants: their placements are to be unpinned,
-- and content without placements is deleted. Content that is wanted again only loses its `unpin_after`.
-- Locks: the cluster's row (share); contents in cid order; placements in cid order.
-- Returns: the placements that are to be unpinned now.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function release_due(of_leader text, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  due text[];
  gone text;
begin
  perform assert_leading(of_leader);
  -- The contents are chosen by time and locked in cid order. An index finds what is before a stable function; clock_timestamp() would be
  -- compared with every row.
  select array_agg(q.cid) into due from (
    select c.cid from contents c where c.unpin_after <= statement_timestamp() order by c.unpin_after limit most) q;
  if due is null then return; end if;
  perform lock_contents(due);
  for gone in select c.cid from contents c where c.cid = any (due) and c.unpin_after <= clock_timestamp() order by c.cid loop
    update contents c set unpin_after = null where c.cid = gone;
    continue when is_wanted(gone);
    return query
    update placements p set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
      next_attempt_at = clock_timestamp()
    where p.cid = gone and p.state <> 'unpinning'
    returning p.cid, p.node_id, p.generation, 1, null::uuid;
    if not exists (select from placements p where p.cid = gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;
end $$;
