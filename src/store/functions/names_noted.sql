-- Tells, in one row, how far the org's names are noted in pin_names. `created` is that of the last pin that was noted, and `behind` is how
-- many pins were accepted since; when none is noted, they are -infinity and the number of all of them. There is no row when no org is set.
-- Security definer: an org may not read name_marks.
-- Locks: nothing.
set local role anchorage_system;
create or replace function names_noted() returns table (created timestamptz, behind bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select coalesce(m.created, '-infinity'), o.last_seq - coalesce(m.seq, 0)
  from orgs o left join name_marks m on m.org_id = o.id where o.id = current_org()
$$;
grant execute on function names_noted to anchorage_tenant;
