-- min_code: 22
-- One row is the version of something that nodes keep in memory: the nodes, or the revoked tokens. Triggers (`next_cache_version`) take the
-- next version in the transaction that makes the change. The row stays locked to the commit, so versions grow in the order of commits, and
-- a node that reads after a version was committed reads that change too.

create table cache_versions (
  cache text primary key,
  version bigint not null default 0
) with (fillfactor = 50);
insert into cache_versions (cache) values ('nodes'), ('tokens');

grant select, update on cache_versions to anchorage_system;
