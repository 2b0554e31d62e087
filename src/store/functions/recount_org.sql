-- Corrects what is kept of an org (miscounts_of_org). No writer of pins waits for it while it counts. The difference between a number and
-- its rows is the same before and after any correct write, so it adds the difference to the number, whatever the number is by then. For an
-- org that does not exist any more, it deletes the numbers.
-- Locks: the advisory lock 7245115, so that no two recounts add the same difference; if anything is wrong, the org's row, its row of
-- org_usage, and its rows of pin_counts in key order.
-- Returns: the rows of miscounts_of_org before the correction.
create or replace function recount_org(of_org uuid) returns table (counter text, key jsonb, kept bigint, counted bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  wrong jsonb;
begin
  perform pg_advisory_xact_lock(7245115);
  wrong := (select jsonb_agg(to_jsonb(m) || jsonb_build_object('more', m.counted - m.kept)) from miscounts_of_org(of_org) m);
  if wrong is null then return; end if;
  perform from orgs o where o.id = of_org for update;
  if not found then
    delete from org_usage u where u.org_id = of_org;
    delete from pin_counts c where c.org_id = of_org;
  else
    insert into org_usage as u (org_id, bytes, reserved)
    select of_org, coalesce(sum(w.more) filter (where w.counter = 'bytes'), 0),
      coalesce(sum(w.more) filter (where w.counter = 'reserved bytes'), 0)
    from jsonb_to_recordset(wrong) as w (counter text, more bigint) where w.counter in ('bytes', 'reserved bytes') having count(*) > 0
    on conflict (org_id) do update set bytes = u.bytes + excluded.bytes, reserved = u.reserved + excluded.reserved;
    insert into pin_counts as c (org_id, status, level, bucket, n)
    select of_org, k.status, k.level, k.bucket, w.more
    from jsonb_to_recordset(wrong) as w (counter text, key jsonb, more bigint)
    cross join lateral jsonb_to_record(w.key) as k (status text, level smallint, bucket bigint)
    where w.counter = 'pins' order by 1, 2, 3, 4
    on conflict (org_id, status, level, bucket) do update set n = c.n + excluded.n;
  end if;
  return query select w.counter, w.key, w.kept, w.counted
  from jsonb_to_recordset(wrong) as w (counter text, key jsonb, kept bigint, counted bigint);
end $$;
