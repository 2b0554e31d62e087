-- Tells whether this signing key is retired; the tokens that it signed are over then. Security definer: an org may not read the keys. It
-- knows only the ids of the keys of its own tokens.
-- Locks: nothing.
set local role anchorage_system;
create or replace function is_retired(key uuid) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from signing_keys k where k.id = key and k.state = 'retired')
$$;
grant execute on function is_retired to anchorage_tenant;
