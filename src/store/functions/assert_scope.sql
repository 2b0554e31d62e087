-- Without an org only the system gets on from here: for functions that do an org's work with the system's rights.
create or replace function assert_scope() returns void language plpgsql as $$
begin
  if current_org() is null and not pg_has_role(session_user, 'anchorage_system', 'usage') then
    raise exception 'no org is set' using errcode = '42501';
  end if;
end $$;
