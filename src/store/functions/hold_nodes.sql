-- Held by whoever puts content on nodes that were open when looked at. Who closes a node waits for them here, and they for it: once it
-- is closed, nothing new appears on it.
create or replace function hold_nodes() returns void language sql as $$
  select pg_advisory_xact_lock_shared(7245114)
$$;
