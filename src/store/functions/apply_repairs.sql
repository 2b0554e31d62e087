-- Applies what was decided of contents, each from the copies that were seen (`seen`: {node: generation and state}): whoever finds others
-- under the lock changes nothing of that content, and leaves it marked. A copy that stands is dropped only while as many as are wanted
-- stand beside it, whatever was decided. Answers {jobs, added, dropped, stale}.
-- `repairs`: {cid, seen, add: [{node, reason, auditId, details}], drop: [{node, auditId, details}], lose: [node], find: [node], settled}.
create or replace function apply_repairs(of_leader bigint, repairs jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
  r record;
  c record;
  p record;
  gone uuid[];
  number bigint;
  still boolean;
  jobs jsonb := '[]';
  added int := 0;
  dropped int := 0;
  stale int := 0;
begin
  perform assert_leading(of_leader);
  perform hold_nodes();
  -- content that is gone is left out, also when it comes back meanwhile: it is not locked
  cids := array(
    select x.cid from contents x where x.cid = any (array(select i.cid from jsonb_to_recordset(repairs) as i (cid text)))
    order by x.cid for update);
  perform from unnest(cids) as u (cid) cross join lateral (
    select from placements q where q.cid = u.cid order by q.node_id for update) l;

  for r in select x.* from jsonb_to_recordset(repairs)
             as x (cid text, seen jsonb, add jsonb, drop jsonb, lose uuid[], find uuid[], settled boolean)
           where x.cid = any (cids) order by x.cid loop
    select x.wanted, x.unsettled, is_wanted(x.cid) as needed into c from contents x where x.cid = r.cid;
    gone := array(select (d ->> 'node')::uuid from jsonb_array_elements(r.drop) d);
    if r.seen <> (select coalesce(jsonb_object_agg(q.node_id, q.generation || ' ' || q.state), '{}') from placements q where q.cid = r.cid)
      or (not c.needed and r.add <> '[]')
      or exists (select from jsonb_array_elements(r.add) a
                 where not exists (select from nodes n where n.id = (a ->> 'node')::uuid and n.state = 'active'))
      or (exists (select from placements q where q.cid = r.cid and q.node_id = any (gone) and q.state = 'pinned')
          and (select count(*) from placements q
               where q.cid = r.cid and q.state = 'pinned' and not q.leaving and q.node_id <> all (gone || r.lose)
                 and (not q.lost or q.node_id = any (r.find))) < c.wanted)
    then
      stale := stale + 1;
      if not c.unsettled then update contents x set unsettled = true where x.cid = r.cid; end if;
      continue;
    end if;

    if r.lose <> '{}' then update placements q set lost = true where q.cid = r.cid and q.node_id = any (r.lose); end if;
    if r.find <> '{}' then update placements q set lost = false where q.cid = r.cid and q.node_id = any (r.find); end if;
    for p in select (a ->> 'node')::uuid as node, a ->> 'reason' as reason from jsonb_array_elements(r.add) a order by 1 loop
      number := add_copy(r.cid, p.node, p.reason);
      added := added + 1;
      if number is not null then
        jobs := jobs || jsonb_build_object('cid', r.cid, 'node_id', p.node, 'generation', number, 'attempt', 1, 'org_id', null);
      end if;
    end loop;
    -- never tried: nothing of it can be in Kubo
    delete from placements q where q.cid = r.cid and q.node_id = any (gone) and q.state = 'queued' and q.attempts = 0
      and q.claimed_until is null and not q.verify;
    for p in
      update placements q set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
        next_attempt_at = clock_timestamp()
      where q.cid = r.cid and q.node_id = any (gone) and q.state <> 'unpinning'
      returning q.node_id, q.generation
    loop
      jobs := jobs || jsonb_build_object('cid', r.cid, 'node_id', p.node_id, 'generation', p.generation, 'attempt', 1, 'org_id', null);
    end loop;
    dropped := dropped + cardinality(gone);
    insert into audit_log (id, actor, action, target, details)
    select (a ->> 'auditId')::uuid, 'repair', 'placement.add', r.cid, a -> 'details' from jsonb_array_elements(r.add) a
    union all
    select (d ->> 'auditId')::uuid, 'repair', 'placement.drop', r.cid, d -> 'details' from jsonb_array_elements(r.drop) d;
    -- settled by what was seen, and still: how many are wanted was not part of it
    still := not (r.settled and (not c.needed or c.wanted = (
      select count(*) from placements q join nodes n on n.id = q.node_id
      where q.cid = r.cid and q.state <> 'unpinning' and not q.lost and not q.leaving and n.state = 'active')));
    if still <> c.unsettled then update contents x set unsettled = still where x.cid = r.cid; end if;
  end loop;
  perform fold_contents(cids);
  return jsonb_build_object('jobs', jobs, 'added', added, 'dropped', dropped, 'stale', stale);
end $$;
