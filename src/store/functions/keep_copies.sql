-- Part of finish_placements: makes the placements pinned again whose node kept the content although it was to be unpinned, because it has
-- the last copy (last_copies). This is a new intent, so record_outcomes only ends their claims. A placement whose content no pin wants any
-- more stays as it is. The contents are marked for repair, since the leader decides which copies stay. `tids` are the ctids of the claimed
-- placements. The caller holds their rows and those of their contents.
-- Locks: nothing more.
-- Returns: the ctids of the placements that are pinned again: a changed row has another one.
create or replace function keep_copies(tids tid[], finishes jsonb) returns tid[] language plpgsql as $$
declare
  kept tid[];
  cids text[];
begin
  with again as (
    update placements q set state = 'pinned', generation = nextval('placement_generation'), reason = 'repair', lost = false,
      leaving = false, retrying = false, crashes = 0, error_code = null, error = null, next_attempt_at = clock_timestamp(),
      blocks = coalesce(c.block_count, 0), bytes = coalesce(c.dag_size, 0)
    from jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text)
    cross join lateral (select x.block_count, x.dag_size from contents x where x.cid = f.cid) c
    where q.ctid = any (tids) and q.cid = f.cid and q.generation = f.generation and f.kind = 'kept' and q.state = 'unpinning'
      and is_wanted(q.cid)
    returning q.ctid as tid, q.cid)
  select array_agg(a.tid), array_agg(a.cid) into kept, cids from again a;
  update contents c set unsettled = true, lost_at = null where c.cid = any (cids);
  return kept;
end $$;
