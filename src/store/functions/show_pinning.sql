-- Reserves the bytes that have arrived of these contents, and folds their pins that still show queued or failed while work is under way. A
-- claim does not touch pins: so content that is pinned in a moment costs one change of status and not two. The commit does not wait for the
-- disk.
-- Locks: first all those of reserve_bytes; then contents in cid order, pins, reserved_bytes, org_usage and pin_counts (fold_contents).
create or replace function show_pinning(cids text[]) returns void language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform reserve_bytes(cids);
  select array_agg(distinct p.cid) into cids from pins p
  where p.cid = any (cids) and p.status in ('queued', 'failed') and p.error_code is null;
  if cids is null then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform fold_contents(cids);
end $$;
