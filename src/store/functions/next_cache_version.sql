-- Trigger on tables that nodes cache: raises the version of the cache that its argument names, in the transaction that changes the table.
-- The lock of the row is held to the commit. So versions grow in the order of commits, and a read that begins after the commit of a version
-- sees its change.
-- Locks: the cache's row of cache_versions.
create or replace function next_cache_version() returns trigger language plpgsql as $$
begin
  update cache_versions set version = version + 1 where cache = tg_argv[0];
  return null;
end $$;

create or replace trigger token_revoked after update of revoked_at on api_tokens
  for each statement execute function next_cache_version('tokens');
-- not for `last_seen`: each node writes that every few seconds, and the nodes read one another as often
create or replace trigger nodes_changed after insert or delete or update of incarnation, multiaddrs, zone, state on nodes
  for each statement execute function next_cache_version('nodes');
create or replace trigger token_denied after insert on token_denylist
  for each statement execute function next_cache_version('tokens');
