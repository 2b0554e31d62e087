-- Counts the current org's pins of a status whose seq is at most x. It adds up whole buckets of pin_counts, and counts the rest, at most
-- 1,024 pins, in an index. The result is exact.
-- Locks: nothing.
-- Returns: the count.
create or replace function count_to(of_status text, x bigint) returns bigint language sql stable as $$
  select coalesce((select sum(n) from pin_counts
                   where org_id = current_org() and status = of_status and level = 1 and bucket < x >> 20), 0)::bigint
       + coalesce((select sum(n) from pin_counts
                   where org_id = current_org() and status = of_status and level = 0
                     and bucket >= (x >> 20) << 10 and bucket < x >> 10), 0)::bigint
       + (select count(*) from pins
          where org_id = current_org() and status = of_status and seq >= (x >> 10) << 10 and seq <= x)
$$;
grant execute on function count_to to anchorage_tenant;
