-- Extends claims of a node to `lease_ms` from now, and records their progress. `under`: [{cid, generation, blocks, bytes}]; only claims of
-- this incarnation (`boot`) are extended. A claim whose time was over, so that its placement was queued again (end_claims), begins again
-- where it was. It does not wait for the disk: an extension that Postgres loses in a crash only ends the claim earlier.
-- Locks: the placements in cid order.
-- Returns: the cids that it did not extend: their claim was ended or their generation has changed, so the work on them must stop.
create or replace function extend_claims(node uuid, boot bigint, lease_ms bigint, under jsonb) returns setof text language plpgsql as $$
declare
  tids tid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(p.ctid) into tids
  from (select u.* from jsonb_to_recordset(under) as u (cid text, generation bigint) order by u.cid) u
  cross join lateral (
    select q.ctid from placements q where q.cid = u.cid and q.node_id = node and q.claimed_by = boot
      and q.claimed_generation = u.generation and q.generation = u.generation for update) p;
  return query
  with kept as (
    update placements p set claimed_until = clock_timestamp() + make_interval(secs => lease_ms / 1000.0),
      state = case p.state when 'queued' then 'pinning' else p.state end, blocks = u.blocks, bytes = u.bytes
    from jsonb_to_recordset(under) as u (cid text, blocks bigint, bytes bigint)
    where p.ctid = any (coalesce(tids, '{}')) and p.cid = u.cid
    returning p.cid
  )
  select u.cid from jsonb_to_recordset(under) as u (cid text) where not exists (select from kept k where k.cid = u.cid);
end $$;
