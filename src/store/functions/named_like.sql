-- Finds the seqs of the org's noted pins (pin_names) whose folded name contains `folded_part` and, unless `part` is null, whose name
-- contains `part`. Security definer, with the org as a condition of its own: under a row-level policy Postgres uses no index for an
-- operator that might leak other rows, as `like` might.
-- Locks: nothing.
set local role anchorage_system;
create or replace function named_like(folded_part text, part text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select seq from pin_names
  where org_id = current_org() and folded like '%' || regexp_replace(folded_part, '([\\%_])', '\\\1', 'g') || '%'
    and (part is null or strpos(coalesce(name, folded), part) > 0)
$$;
grant execute on function named_like to anchorage_tenant;
