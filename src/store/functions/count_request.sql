-- Counts a request under each of `keys` in turn, and stops after the first key whose limit it exceeds. A count starts again when its window
-- of `seconds` is over.
-- It also deletes at most 16 counts whose window is over. It does so last and without waiting: two calls never wait for one another.
-- Locks: the rows of rate_counts in the order of `keys`, which every caller sorts from the narrowest to the widest; then the counts that it
-- deletes (skip locked).
-- Returns: one row for each key counted, in order: the count including this request, and the ms until the window is over.
create or replace function count_request(keys text[], limits int[], seconds double precision)
returns table (counted int, reset_ms double precision)
language plpgsql as $$
declare
  ends timestamptz;
begin
  for i in 1 .. cardinality(keys) loop
    insert into rate_counts as r (key, n, ends_at) values (keys[i], 1, clock_timestamp() + make_interval(secs => seconds))
    on conflict (key) do update set
      n = case when r.ends_at <= clock_timestamp() then 1 else r.n + 1 end,
      ends_at = case when r.ends_at <= clock_timestamp() then excluded.ends_at else r.ends_at end
    returning r.n, r.ends_at into counted, ends;
    reset_ms := greatest(0, extract(epoch from ends - clock_timestamp()) * 1000);
    return next;
    exit when counted > limits[i];
  end loop;
  delete from rate_counts where key = any (array(
    select o.key from rate_counts o where o.ends_at <= clock_timestamp() order by o.ends_at limit 16 for update skip locked));
end $$;
