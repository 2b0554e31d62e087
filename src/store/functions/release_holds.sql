-- Pins that stand let go of what a replace made them hold. Returns how many pins were done.
create or replace function release_holds(of_leader bigint, most int, grace_ms bigint) returns int language plpgsql as $$
declare
  held text[];
  p record;
  done int := 0;
begin
  perform assert_leading(of_leader);
  select array_agg(distinct h) into held
  from (select holds from pins where holds is not null and status = 'pinned' order by org_id, id limit most) q, unnest(q.holds) h;
  if held is null then return 0; end if;
  perform lock_contents(held);
  -- read again under the locks; what was added since waits for the next round
  for p in select org_id, id from pins where holds is not null and status = 'pinned' and holds <@ held
           order by org_id, id limit most for update loop
    update pins q set holds = null where q.org_id = p.org_id and q.id = p.id;
    done := done + 1;
  end loop;
  perform release_contents(held, grace_ms);
  return done;
end $$;
