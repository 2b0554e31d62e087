-- Adds to org_usage what these pins count now instead of before, except for pins that take their org over its limit of bytes: those are to
-- be refused and count nothing. An org keeps what it had, so only a pin that counted nothing before is refused. The oldest pin that fits
-- gets room first. Each array has one entry a pin: its ctid, its org, its seq, and the bytes that it counted before and counts now. The
-- caller holds the pins' rows.
-- Locks: org_usage in the order of orgs.
-- Returns: the ctids of the pins that are to be refused; {} when all fit.
create or replace function weigh_pins(tids tid[], orgs uuid[], seqs bigint[], was bigint[], becomes bigint[]) returns tid[]
language plpgsql as $$
declare
  ids uuid[];
  totals bigint[];
  over record;
  pin record;
  running bigint;
  gone bigint;
  refused tid[] := '{}';
begin
  select array_agg(c.org_id), array_agg(c.total) into ids, totals from count_bytes(orgs, was, becomes) c;
  for over in
    select u.id, u.total, o.max_bytes from unnest(ids, totals) as u (id, total)
    cross join lateral (select x.max_bytes from orgs x where x.id = u.id) o where u.total > o.max_bytes order by u.id
  loop
    gone := 0;
    running := over.total - (select coalesce(sum(d.becomes), 0) from unnest(orgs, was, becomes) as d (org, was, becomes)
                             where d.org = over.id and d.was = 0);
    for pin in select d.tid, d.becomes as size from unnest(tids, orgs, seqs, was, becomes) as d (tid, org, seq, was, becomes)
               where d.org = over.id and d.was = 0 and d.becomes > 0 order by d.seq loop
      if running + pin.size <= over.max_bytes then
        running := running + pin.size;
      else
        refused := refused || pin.tid;
        gone := gone + pin.size;
      end if;
    end loop;
    if gone > 0 then perform count_bytes(array[over.id], array[gone], array[0::bigint]); end if;
  end loop;
  return refused;
end $$;
