-- Ends reservations of these contents: deletes rows of reserved_bytes and subtracts them from `reserved` of org_usage. A reservation ends
-- when the content's size is known, when no placement of it is queued or pinning, or when the org has no pin of it left that is not
-- refused. The caller holds the contents' rows.
-- Locks: reserved_bytes; org_usage in the order of orgs.
create or replace function give_back_bytes(cids text[]) returns void language plpgsql as $$
begin
  if not exists (select from reserved_bytes r where r.cid = any (cids)) then return; end if;
  with gone as (
    delete from reserved_bytes r where r.cid = any (cids) and (
      not exists (select from contents c where c.cid = r.cid and c.dag_size is null)
      or not exists (select from placements p where p.cid = r.cid and p.state in ('queued', 'pinning'))
      or not exists (select from pins p where p.cid = r.cid and p.org_id = r.org_id and p.error_code is null))
    returning r.org_id, r.bytes
  )
  insert into org_usage as u (org_id, bytes, reserved) select g.org_id, 0, -sum(g.bytes) from gone g group by 1 order by 1
  on conflict (org_id) do update set reserved = u.reserved + excluded.reserved;
end $$;
