-- min_code: 1
-- What nodes remember of Postgres: each change of it takes the next version in its own transaction. The row's lock is held to the
-- commit, so versions grow in the order of commits, and who reads after a version was committed reads that change too.

create table cache_versions (
  cache text primary key,
  version bigint not null default 0
) with (fillfactor = 50);
insert into cache_versions (cache) values ('nodes'), ('tokens');
grant select, update on cache_versions to anchorage_system;

create function next_cache_version() returns trigger language plpgsql as $$
begin
  update cache_versions set version = version + 1 where cache = tg_argv[0];
  return null;
end $$;
revoke all on function next_cache_version() from public;

-- Not when a node only signs that it lives: that is every few seconds, and the nodes read one another as often.
create trigger nodes_changed after insert or delete or update of incarnation, multiaddrs, zone, state on nodes
  for each statement execute function next_cache_version('nodes');
create trigger token_revoked after update of revoked_at on api_tokens
  for each statement execute function next_cache_version('tokens');
create trigger token_denied after insert on token_denylist
  for each statement execute function next_cache_version('tokens');
