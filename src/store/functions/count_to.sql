-- How many pins of a status have a seq of at most x, exactly: whole buckets and an index-only rest of at most 1,024.
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
