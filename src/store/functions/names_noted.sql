-- Up to which pin the org's names are noted, and how many pins came since; -infinity and all of them when none is.
set local role anchorage_system;
create or replace function names_noted() returns table (created timestamptz, behind bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(m.created, '-infinity'), o.last_seq - coalesce(m.seq, 0)
  from orgs o left join name_marks m on m.org_id = o.id where o.id = current_org()
$$;
grant execute on function names_noted to anchorage_tenant;
