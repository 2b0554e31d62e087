-- Reads the sizes of these contents: {cid: bytes}, without those whose size is not known; {} when no org is set. An accept asks for an org
-- with limits. Security definer: an org may not read contents.
-- Locks: nothing.
set local role anchorage_system;
create or replace function known_sizes(cids text[]) returns jsonb
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(jsonb_object_agg(c.cid, c.dag_size), '{}') from contents c
  where c.cid = any (cids) and c.dag_size is not null and current_org() is not null
$$;
grant execute on function known_sizes to anchorage_tenant;
