-- What a pin's status is, given its content's copies: a pinned one stays so while any copy is left.
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
