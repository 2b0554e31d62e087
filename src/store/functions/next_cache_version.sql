-- TODO
create or replace function next_cache_version() returns trigger language plpgsql as $$
begin
  update cache_versions set version = version + 1 where cache = tg_argv[0];
  return null;
end $$;

create or replace trigger token_revoked after update of revoked_at on api_tokens
  for each statement execute function next_cache_version('tokens');
create or replace trigger nodes_changed after insert or delete or update of incarnation, multiaddrs, zone, state on nodes
  for each statement execute function next_cache_version('nodes');
create or replace trigger token_denied after insert on token_denylist
  for each statement execute function next_cache_version('tokens');
