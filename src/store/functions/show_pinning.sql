-- Pins of these contents that still read queued or failed while their work is under way: claims do not touch pins, so that
-- content that is pinned in a moment costs one change of status and not two.
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
