-- Compares what is kept of an org with the rows that it sums up: the number of its pins by status and bucket (pin_counts), the bytes of its
-- pins, and the bytes reserved for its content that still arrives (both in org_usage). All of it is read at one moment, so it is exact
-- while other transactions write.
-- Locks: nothing.
-- Returns: one row for each number that is wrong: `kept` is the number, and `counted` is what the rows add up to. `key` names the row of
-- pin_counts: {status, level, bucket}.
create or replace function miscounts_of_org(of_org uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language sql stable as $$
  with pinned as materialized (
    select p.status, p.seq >> 10 as bucket, count(*) as n, sum(p.counted_bytes) as bytes from pins p where p.org_id = of_org group by 1, 2
  ), numbers (counter, key, kept, counted) as (
    select 'pins', jsonb_build_object('status', c.status, 'level', c.level, 'bucket', c.bucket), c.n, 0
    from pin_counts c where c.org_id = of_org
    union all
    select 'pins', jsonb_build_object('status', p.status, 'level', l.level, 'bucket', p.bucket >> l.bits), 0, p.n
    from pinned p cross join (values (0, 0), (1, 10)) as l (level, bits)
    union all
    select 'bytes', '{}', u.bytes, 0 from org_usage u where u.org_id = of_org
    union all
    select 'bytes', '{}', 0, p.bytes from pinned p
    union all
    select 'reserved bytes', '{}', u.reserved, 0 from org_usage u where u.org_id = of_org
    union all
    select 'reserved bytes', '{}', 0, r.bytes from reserved_bytes r where r.org_id = of_org
  )
  select counter, key, sum(kept)::bigint, sum(counted)::bigint from numbers group by 1, 2 having sum(kept) <> sum(counted) order by 1, 2
$$;
