-- min_code: 1
-- Requests that all nodes count together: under which key, how many, until when. What a crash takes of it is not missed.

create unlogged table rate_counts (
  key text collate "C" primary key,
  n integer not null,
  ends_at timestamptz not null
) with (fillfactor = 50);
create index rate_counts_over on rate_counts (ends_at);
grant select, insert, update, delete on rate_counts to anchorage_system;

-- Counts a request under each key in turn, and under none after the first whose limit it passes. Keys come from the narrowest to the widest,
-- and in this order they are locked. What is over goes along, last and without waiting, so that two of these never wait for one another.
create function count_request(keys text[], limits integer[], seconds double precision)
returns table (counted integer, reset_ms double precision) language plpgsql as $$
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
revoke all on function count_request(text[], integer[], double precision) from public;
grant execute on function count_request(text[], integer[], double precision) to anchorage_system;
