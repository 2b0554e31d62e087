-- Trigger on plan_moves, once a statement: adds the bytes of moves that became done or skipped to `bytes_done` and `bytes_skipped` of their
-- plans. Moves that begin change nothing here.
-- Locks: the rows of these plans.
create or replace function note_moves() returns trigger language plpgsql as $$
begin
  update plans p set bytes_done = p.bytes_done + d.done, bytes_skipped = p.bytes_skipped + d.skipped
  from (
    select plan_id, sum(case when state = 'done' then n * bytes else 0 end) as done,
      sum(case when state = 'skipped' then n * bytes else 0 end) as skipped
    from (select plan_id, state, bytes, 1 as n from after union all select plan_id, state, bytes, -1 from before) m
    group by plan_id
  ) d
  where p.id = d.plan_id and (d.done <> 0 or d.skipped <> 0);
  return null;
end $$;

create or replace trigger moves_changed after update on plan_moves
  referencing old table as before new table as after for each statement execute function note_moves();
