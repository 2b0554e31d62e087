-- Corrects what is kept of a node's placements (miscounts_of_node): adds the differences to placement_changes, which the leader adds up.
-- The difference between a number and its rows is the same before and after any correct write, so no writer has to wait.
-- Locks: the advisory lock 7245115, so that no two recounts add the same difference.
-- Returns: the rows of miscounts_of_node before the correction.
create or replace function recount_node(of_node uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language plpgsql as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(7245115);
  return query
  with wrong as materialized (select * from miscounts_of_node(of_node)),
  added as (
    insert into placement_changes (node_id, state, reason, n, bytes)
    select of_node, w.key ->> 'state', w.key ->> 'reason', coalesce(sum(w.counted - w.kept) filter (where w.counter = 'placements'), 0),
      coalesce(sum(w.counted - w.kept) filter (where w.counter = 'bytes of placements'), 0)
    from wrong w group by 2, 3)
  select * from wrong;
end $$;
