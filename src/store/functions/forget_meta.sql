-- Takes the meta of a pin that goes out of pin_meta: each pair is looked up by its key, which no planner turns round.
create or replace function forget_meta(org uuid, meta jsonb, at_seq bigint) returns void language sql as $$
  delete from pin_meta m where m.ctid = any (array(
    select x.row from jsonb_each_text(meta) k
    cross join lateral (
      select q.ctid as row from pin_meta q
      where q.org_id = org and q.key = meta_key(k.key) and q.value = meta_key(k.value) and q.seq = at_seq offset 0) x))
$$;
grant execute on function forget_meta to anchorage_tenant;
