-- Empties `holds` of at most `most` pins that are pinned: a pin that a replace made keeps other content only until then. The content is
-- released (release_contents, which explains `grace_ms`). It returns no hints: the sweep finds the placements.
-- Locks: the cluster's row (share); contents in cid order; pins in key order; then reserved_bytes, org_usage and placements
-- (release_contents).
-- Returns: how many pins it changed.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function release_holds(of_leader text, most int, grace_ms bigint) returns int language plpgsql as $$
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
  -- read again under the locks; a pin that holds content which is not locked waits for the next call
  for p in select org_id, id from pins where holds is not null and status = 'pinned' and holds <@ held
           order by org_id, id limit most for update loop
    update pins q set holds = null where q.org_id = p.org_id and q.id = p.id;
    done := done + 1;
  end loop;
  perform release_contents(held, grace_ms);
  return done;
end $$;
