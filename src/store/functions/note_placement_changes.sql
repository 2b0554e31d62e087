-- Trigger on placements, once a statement, however many rows it changes: adds the change of the numbers by node, state and reason to
-- placement_changes; add_up_placements adds those up. A lost placement has the state `lost` there. Only pinned placements have bytes. An
-- update that only notes progress adds nothing. Rows are only inserted, so that no writer waits for another.
-- Locks: nothing.
create or replace function note_placement_changes() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, count(*), coalesce(sum(bytes) filter (where state = 'pinned'), 0)
    from after group by 1, 2, 3;
  elsif tg_op = 'DELETE' then
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, -count(*), -coalesce(sum(bytes) filter (where state = 'pinned'), 0)
    from before group by 1, 2, 3;
  else
    insert into placement_changes (node_id, state, reason, n, bytes)
    select node_id, case when lost then 'lost' else state end, reason, sum(n), sum(case when state = 'pinned' then n * bytes else 0 end)
    from (select node_id, lost, state, reason, bytes, 1 as n from after
          union all select node_id, lost, state, reason, bytes, -1 from before) d
    group by 1, 2, 3 having sum(n) <> 0 or sum(case when state = 'pinned' then n * bytes else 0 end) <> 0;
  end if;
  return null;
end $$;

create or replace trigger placements_added after insert on placements
  referencing new table as after for each statement execute function note_placement_changes();
create or replace trigger placements_changed after update on placements
  referencing old table as before new table as after for each statement execute function note_placement_changes();
create or replace trigger placements_removed after delete on placements
  referencing old table as before for each statement execute function note_placement_changes();
