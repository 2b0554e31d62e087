-- Whether a signing key was retired: tokens that it signed are over with it. An org is not to read the keys; it knows the ids of its tokens' own.
set local role anchorage_system;
create or replace function is_retired(key uuid) returns boolean language sql stable security definer set search_path = public, pg_temp as $$
  select exists (select from signing_keys k where k.id = key and k.state = 'retired')
$$;
grant execute on function is_retired to anchorage_tenant;
