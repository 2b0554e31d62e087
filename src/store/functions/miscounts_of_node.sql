-- Compares the number and the bytes of a node's placements by state and reason (placement_counts and placement_changes) with the
-- placements. All of it is read at one moment, so it is exact while other transactions write.
-- Locks: nothing.
-- Returns: one row for each number that is wrong: `kept` is the number, and `counted` is what the rows add up to. `key`: {state, reason},
-- where a lost placement has the state `lost`. Only pinned placements have bytes.
create or replace function miscounts_of_node(of_node uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language sql stable as $$
  with numbers (state, reason, kept, kept_bytes, counted, counted_bytes) as (
    select c.state, c.reason, c.n, c.bytes, 0::bigint, 0::bigint from placement_counts c where c.node_id = of_node
    union all
    select c.state, c.reason, c.n, c.bytes, 0, 0 from placement_changes c where c.node_id = of_node
    union all
    select case when p.lost then 'lost' else p.state end, p.reason, 0, 0, count(*),
      coalesce(sum(p.bytes) filter (where p.state = 'pinned'), 0)
    from placements p where p.node_id = of_node group by 1, 2
  ), sums as (
    select state, reason, sum(kept)::bigint as kept, sum(counted)::bigint as counted, sum(kept_bytes)::bigint as kept_bytes,
      sum(counted_bytes)::bigint as counted_bytes
    from numbers group by 1, 2
  )
  select l.counter, jsonb_build_object('state', s.state, 'reason', s.reason), l.kept, l.counted from sums s
  cross join lateral (values ('placements', s.kept, s.counted), ('bytes of placements', s.kept_bytes, s.counted_bytes))
    as l (counter, kept, counted)
  where l.kept <> l.counted order by 1, 2
$$;
