-- Tells whether a pin that a replace made keeps this content (`holds`). Postgres can read the index on `holds` only as a bitmap, and
-- anchorage_system has bitmap scans switched off.
-- Locks: nothing.
create or replace function is_held(of_cid text) returns boolean language sql stable set enable_bitmapscan = on as $$
  select exists (select from pins where holds @> array[of_cid])
$$;
