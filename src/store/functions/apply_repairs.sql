-- Applies repairs that the leader decided on. `repairs`: [{cid, seen: {node: "generation state"}, add: [{node, reason, auditId, details}],
-- drop: [{node, auditId, details}], lose: [node], find: [node], settled}].
-- A repair is stale if its `seen` no longer matches the copies, or if it would leave too few pinned copies, whatever the leader decided. A
-- stale repair changes nothing and marks its content as unsettled, so that the leader looks at it again.
-- Locks: the cluster's row (for share); hold_nodes; the contents in cid order; all their placements by cid and node; then what
-- fold_contents locks (pins, org_usage, pin_counts). A content that does not exist is passed over, even if it is made meanwhile.
-- Returns: {jobs: [{cid, node_id, generation, attempt, org_id}], added, dropped, stale}: the placements to hint, and the numbers of copies
-- added, of copies dropped and of stale repairs.
-- Raises: AN002 if `of_leader` is not the current epoch; AN003 during maintenance.
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
  -- a content that does not exist now is passed over below as well, even if it is made meanwhile, since it is not locked
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
    -- these were never tried: Kubo has nothing of them, so there is nothing to unpin
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
    -- the leader's `settled` is based on `seen`, which says nothing of the number of wanted copies: that may have changed
    still := not (r.settled and (not c.needed or c.wanted = (
      select count(*) from placements q join nodes n on n.id = q.node_id
      where q.cid = r.cid and q.state <> 'unpinning' and not q.lost and not q.leaving and n.state = 'active')));
    if still <> c.unsettled then update contents x set unsettled = still where x.cid = r.cid; end if;
  end loop;
  perform fold_contents(cids);
  return jsonb_build_object('jobs', jobs, 'added', added, 'dropped', dropped, 'stale', stale);
end $$;
