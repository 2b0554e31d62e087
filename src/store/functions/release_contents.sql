-- After pins were deleted or refused: releases those of these contents that no pin wants any more. Unfinished work is aborted at once;
-- pinned copies are unpinned when `grace_ms` ms are over (release_due). It also lowers `wanted` of the others, and gives back reserved
-- bytes. is_wanted is asked in a statement after the lock, so that it sees the pins that were committed before. Security definer: an org
-- may not touch contents and placements.
-- Locks: contents in cid order; reserved_bytes; org_usage in the order of orgs; placements in cid order.
-- Returns: the placements that are to be unpinned now; the caller hints at them.
-- Raises: 42501 when no org is set and the session is not the system's.
set local role anchorage_system;
create or replace function release_contents(cids text[], grace_ms bigint) returns table (cid text, node_id uuid, generation bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone text;
begin
  perform lock_contents(cids);
  perform lower_wanted(cids);
  perform give_back_bytes(cids);
  for gone in select u from unnest(cids) u where not is_wanted(u) order by u loop
    -- these were never tried: Kubo can have nothing of them
    delete from placements p where p.cid = gone and p.state = 'queued' and p.attempts = 0 and p.claimed_until is null and not p.verify;
    return query
    update placements p set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
      next_attempt_at = clock_timestamp()
    where p.cid = gone and p.state in ('queued', 'pinning', 'failed')
    returning p.cid, p.node_id, p.generation;
    if exists (select from placements p where p.cid = gone and p.state = 'pinned') then
      update contents c set unpin_after = clock_timestamp() + make_interval(secs => grace_ms / 1000.0) where c.cid = gone;
    elsif not exists (select from placements p where p.cid = gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;
end $$;
grant execute on function release_contents to anchorage_tenant;
