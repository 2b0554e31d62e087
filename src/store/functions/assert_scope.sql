-- Checks that an org is set, or that the session belongs to the system. Security definer functions that do an org's work call it first.
-- It looks at session_user, since in such a function current_user is the function's owner.
-- Locks: nothing.
-- Raises: 42501 for a tenant's session without an org.
create or replace function assert_scope() returns void language plpgsql as $$
begin
  if current_org() is null and not pg_has_role(session_user, 'anchorage_system', 'usage') then
    raise exception 'no org is set' using errcode = '42501';
  end if;
end $$;
