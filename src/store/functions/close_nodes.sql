-- TODO
create or replace function close_nodes() returns void language sql as $$
  select pg_advisory_xact_lock(7245114)
$$;
