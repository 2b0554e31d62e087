-- Corrects the numbers of a plan (miscounts_of_plan). The difference between a number and the moves is the same before and after any
-- correct write, so it adds the differences to the numbers, whatever these are by then.
-- Locks: the advisory lock 7245115, so that no two recounts add the same difference; the plan's row.
-- Returns: the rows of miscounts_of_plan before the correction.
create or replace function recount_plan(of_plan uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language plpgsql as $$
#variable_conflict use_column
begin
  perform pg_advisory_xact_lock(7245115);
  return query
  with wrong as materialized (select * from miscounts_of_plan(of_plan)),
  added as (
    update plans p set moves = p.moves + coalesce((w.more ->> 'moves')::int, 0), done = p.done + coalesce((w.more ->> 'done')::int, 0),
      skipped = p.skipped + coalesce((w.more ->> 'skipped')::int, 0), bytes = p.bytes + coalesce((w.more ->> 'bytes')::bigint, 0),
      bytes_done = p.bytes_done + coalesce((w.more ->> 'bytes done')::bigint, 0),
      bytes_skipped = p.bytes_skipped + coalesce((w.more ->> 'bytes skipped')::bigint, 0)
    from (select jsonb_object_agg(x.counter, x.counted - x.kept) as more from wrong x) w
    where p.id = of_plan and w.more is not null)
  select * from wrong;
end $$;
