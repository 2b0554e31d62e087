-- Computes the status of a pin. `was` is its status so far, `replicas` is how many copies it waits for, and the rest says how many
-- placements of its content are in each state. A pinned pin stays pinned while at least one copy is left.
-- Locks: nothing.
create or replace function fold_status(was text, replicas int, pinned bigint, pinning bigint, queued bigint, failed bigint) returns text
language sql immutable as $$
  select case
    when pinned >= replicas or (was = 'pinned' and pinned > 0) then 'pinned'
    when pinning > 0 then 'pinning'
    when queued > 0 then 'queued'
    when failed > 0 then 'failed'
    else 'queued' end
$$;
grant execute on function fold_status to anchorage_tenant;
