-- After a pin went or was refused: as many copies as the largest of the pins that are left wants; what is only held stays as it is. The contents are
-- locked. Copies that are too many now, the leader's repair takes away.
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
