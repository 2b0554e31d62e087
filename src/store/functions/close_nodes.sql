-- Waits for the transactions that put content on nodes that they found open (hold_nodes), and makes later ones wait until the caller
-- commits. The caller then closes a node: after its commit no new placement appears there.
-- Locks: the advisory lock of hold_nodes, exclusively.
create or replace function close_nodes() returns void language sql as $$
  select pg_advisory_xact_lock(7245114)
$$;
