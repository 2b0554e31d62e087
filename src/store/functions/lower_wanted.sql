-- After pins were deleted or refused: lowers `wanted` of these contents to the largest number of replicas that any pin which is left asks
-- for, and marks each content that it changes. The leader's repair then removes the copies that are too many. Content that pins only keep
-- after a replace (`holds`) stays as it is. The caller holds the contents' rows. The lateral with `offset 0` looks up each content by its
-- key.
-- Locks: nothing more.
-- Raises: 42501 when no org is set and the session is not the system's.
set local role anchorage_system;
create or replace function lower_wanted(cids text[]) returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform assert_scope();
  update contents c set wanted = w.most, unsettled = true
  from (
    select x.cid, coalesce(
      (select p.replicas from pins p where p.cid = x.cid and p.replicas > 1 and p.error_code is null order by p.replicas desc limit 1),
      case when not exists (select from pins p where p.cid = x.cid and p.error_code is null) and is_wanted(x.cid)
        then x.wanted else 1 end) as most
    from unnest(cids) as u (cid)
    cross join lateral (select y.cid, y.wanted from contents y where y.cid = u.cid and y.wanted > 1 offset 0) x) w
  where c.cid = any (cids) and c.cid = w.cid and c.wanted > w.most;
end $$;
grant execute on function lower_wanted to anchorage_tenant;
