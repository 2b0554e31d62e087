-- Locks the rows of these contents. It skips contents that do not exist. Security definer: an org may not touch contents.
-- Locks: contents in cid order.
-- Raises: 42501 when no org is set and the session is not the system's.
set local role anchorage_system;
create or replace function lock_contents(cids text[]) returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform assert_scope();
  perform from contents c where c.cid = any (cids) order by c.cid for update;
end $$;
grant execute on function lock_contents to anchorage_tenant;
