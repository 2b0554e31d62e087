-- After a pin went or was refused: content that nobody wants any more. Unfinished work is aborted at once, what stands is unpinned after
-- the grace period. The contents are locked here, in cid order; the question is asked in a later statement. Returns what to hint.
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
    -- never tried: nothing of it can be in Kubo
    delete from placements p where p.cid = gone and p.state = 'queued' and p.attempts = 0 and p.claimed_until is null and not p.verify;
    return query
    update placements p set state = 'unpinning', leaving = false, generation = nextval('placement_generation'), next_attempt_at = clock_timestamp()
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
