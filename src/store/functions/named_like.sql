-- The seqs of those noted pins of the org whose folded name has `folded_part` in it and, unless that is null, whose name has `part`. An org
-- cannot search the table itself: Postgres lets no policy's rows be found by an operator that might tell of others.
set local role anchorage_system;
create or replace function named_like(folded_part text, part text) returns setof bigint
language sql stable security definer set search_path = public, pg_temp as $$
  select seq from pin_names
  where org_id = current_org() and folded like '%' || regexp_replace(folded_part, '([\\%_])', '\\\1', 'g') || '%'
    and (part is null or strpos(coalesce(name, folded), part) > 0)
$$;
grant execute on function named_like to anchorage_tenant;
