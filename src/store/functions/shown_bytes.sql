-- Estimates how many bytes a pin takes in an answer, with the states of its copies. The number is stored with the pin, so that a page which
-- ends by bytes need not read the pins that it does not show.
-- Locks: nothing.
create or replace function shown_bytes(meta jsonb, name text, origins text[], replicas int) returns int language sql stable as $$
  select 300 + 256 * replicas + coalesce(octet_length(meta::text), 0) + coalesce(octet_length(name), 0)
    + coalesce(octet_length(origins::text), 0)
$$;
grant execute on function shown_bytes to anchorage_tenant;
