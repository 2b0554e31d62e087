-- Compares the numbers of a plan with its moves: how many it has, how many are done and skipped, and the same in bytes. All of it is read
-- at one moment. A plan that is still being saved has no numbers yet.
-- Locks: nothing.
-- Returns: one row for each number that is wrong: `kept` is the number, and `counted` is what the moves add up to. `key` is {}.
create or replace function miscounts_of_plan(of_plan uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language sql stable as $$
  select l.counter, '{}'::jsonb, l.kept, l.counted::bigint from plans p
  cross join lateral (
    select count(*) as moves, coalesce(sum(m.bytes), 0) as bytes,
      count(*) filter (where m.state = 'done') as done, coalesce(sum(m.bytes) filter (where m.state = 'done'), 0) as bytes_done,
      count(*) filter (where m.state = 'skipped') as skipped, coalesce(sum(m.bytes) filter (where m.state = 'skipped'), 0) as bytes_skipped
    from plan_moves m where m.plan_id = p.id) k
  cross join lateral (values
    ('moves', p.moves::bigint, k.moves), ('done', p.done, k.done), ('skipped', p.skipped, k.skipped),
    ('bytes', p.bytes, k.bytes), ('bytes done', p.bytes_done, k.bytes_done), ('bytes skipped', p.bytes_skipped, k.bytes_skipped))
    as l (counter, kept, counted)
  where p.id = of_plan and p.whole and l.kept <> l.counted order by 1
$$;
