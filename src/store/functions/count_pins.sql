-- Changes the numbers of pins by org, status and bucket of seq: adds `ns`, which are negative for pins that leave a status. A bucket is
-- seq >> 10. Each change also counts in the bucket of 2^20 seqs (level 1) around it. The four arrays have one entry a change.
-- Locks: the rows of pin_counts in key order. The caller holds the pins.
create or replace function count_pins(orgs uuid[], statuses text[], buckets bigint[], ns bigint[]) returns void language sql as $$
  insert into pin_counts as c (org_id, status, level, bucket, n)
  select d.org_id, d.status, l.level, d.bucket >> l.bits, sum(d.n)
  from unnest(orgs, statuses, buckets, ns) as d (org_id, status, bucket, n)
  cross join (values (0::smallint, 0), (1::smallint, 10)) as l (level, bits)
  group by 1, 2, 3, 4
  having sum(d.n) <> 0
  order by 1, 2, 3, 4
  on conflict (org_id, status, level, bucket) do update set n = c.n + excluded.n
$$;
grant execute on function count_pins to anchorage_tenant;
