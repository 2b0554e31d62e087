-- Deletes the rows of pin_meta of the pin with this seq, given its `meta`. The lateral with `offset 0` makes Postgres look up each pair by
-- its key: no plan turns the join round and reads all rows of the org.
-- Locks: these rows of pin_meta.
create or replace function forget_meta(org uuid, meta jsonb, at_seq bigint) returns void language sql as $$
  delete from pin_meta m where m.ctid = any (array(
    select x.row from jsonb_each_text(meta) k
    cross join lateral (
      select q.ctid as row from pin_meta q
      where q.org_id = org and q.key = meta_key(k.key) and q.value = meta_key(k.value) and q.seq = at_seq offset 0) x))
$$;
grant execute on function forget_meta to anchorage_tenant;
