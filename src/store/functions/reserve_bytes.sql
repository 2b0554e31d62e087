-- Reserves the bytes that have arrived so far of contents under way, for the orgs with a limit of bytes that want them. When the room of an
-- org does not suffice, its pins of that content are refused now, and not only when all of it has arrived. The content that has most
-- reserved gets room first. A reservation never shrinks here: an attempt begins at zero again, and the blocks of the last one remain in
-- Kubo.
-- Locks: nothing while no org has such a limit or nothing more has arrived; else contents in cid order; for each org in order its rows of
-- org_usage and reserved_bytes; after a refusal pins, reserved_bytes, org_usage, pin_counts and placements (refuse_arriving).
create or replace function reserve_bytes(cids text[]) returns void language plpgsql as $$
declare
  a record;
  over_cids text[] := '{}';
  over_orgs uuid[] := '{}';
begin
  if not exists (select from orgs where max_bytes is not null) then return; end if;
  cids := array(select distinct x.cid from arrived_bytes(cids) x
    where x.bytes > coalesce((select r.bytes from reserved_bytes r where r.cid = x.cid and r.org_id = x.org_id), 0));
  if cids = '{}' then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  for a in
    select x.*, x.bytes - r.bytes as more from arrived_bytes(cids) x
    cross join lateral (
      select coalesce((select q.bytes from reserved_bytes q where q.cid = x.cid and q.org_id = x.org_id), 0) as bytes) r
    where x.bytes > r.bytes order by x.org_id, r.bytes desc, x.cid
  loop
    insert into org_usage as u (org_id, bytes, reserved) select a.org_id, 0, a.more where a.more <= a.max_bytes
    on conflict (org_id) do update set reserved = u.reserved + excluded.reserved
      where u.bytes + u.reserved + excluded.reserved <= a.max_bytes;
    if found then
      insert into reserved_bytes (cid, org_id, bytes) values (a.cid, a.org_id, a.bytes)
      on conflict (cid, org_id) do update set bytes = excluded.bytes;
    else
      over_cids := over_cids || a.cid;
      over_orgs := over_orgs || a.org_id;
    end if;
  end loop;
  if over_cids <> '{}' then perform refuse_arriving(over_cids, over_orgs); end if;
end $$;
