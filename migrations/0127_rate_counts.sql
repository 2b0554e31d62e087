-- min_code: 22
-- One row is how many requests all nodes together counted under one key. `count_request` writes it, and deletes rows whose time is over.
-- The table is unlogged: a crash of Postgres empties it, and no client misses the counts.

create unlogged table rate_counts (
  -- Who asks.
  key text collate "C" primary key,
  n integer not null,
  -- When the count begins again.
  ends_at timestamptz not null
) with (fillfactor = 50);

-- Which rows can be deleted?
create index rate_counts_over on rate_counts (ends_at);

grant select, insert, update, delete on rate_counts to anchorage_system;
