-- Part of finish_placements: queues the placements again whose node kept the content although it was to be unpinned, because it has the
-- last copy (last_copies). This is a new intent, so record_outcomes only ends their claims. A placement whose content no pin wants any more
-- stays as it is. `tids` are the ctids of the claimed placements. The caller holds their rows and those of their contents.
-- Locks: nothing more.
-- Returns: the ctids of the placements that are queued again: a changed row has another one.
create or replace function keep_copies(tids tid[], finishes jsonb) returns tid[] language plpgsql as $$
declare
  kept tid[];
  cids text[];
begin
  with again as (
    update placements q set state = 'queued', generation = nextval('placement_generation'), reason = 'repair', lost = false,
      leaving = false, attempts_before = q.attempts, retrying = false, crashes = 0, wanted_since = clock_timestamp(),
      next_attempt_at = clock_timestamp()
    from jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text)
    where q.ctid = any (tids) and q.cid = f.cid and q.generation = f.generation and f.kind = 'kept' and q.state = 'unpinning'
      and is_wanted(q.cid)
    returning q.ctid as tid, q.cid)
  select array_agg(a.tid), array_agg(a.cid) into kept, cids from again a;
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
  return kept;
end $$;
