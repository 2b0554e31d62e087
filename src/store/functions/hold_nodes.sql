-- Keeps every node open that is open now, to the end of the transaction. A transaction calls this before it puts content on nodes that it
-- found open. close_nodes waits for these transactions, and they wait for it: once a node is closed, no new placement appears on it.
-- Locks: the advisory lock 7245114, shared.
create or replace function hold_nodes() returns void language sql as $$
  select pg_advisory_xact_lock_shared(7245114)
$$;
