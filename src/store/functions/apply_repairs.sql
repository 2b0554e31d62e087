-- Applies repairs that the leader decided on. `repairs`: [{cid, seen: {node: "generation state"}, add: [{node, reason, auditId, details}],
-- drop: [{node, auditId, details}], lose: [node], find: [node], settled}].
-- A repair is stale if its `seen` no longer matches the copies, or if it would leave too few pinned copies, whatever the leader decided. A
-- stale repair changes nothing and marks its content as unsettled, so that the leader looks at it again.
-- Locks: the cluster's row (for share); hold_nodes; the contents in cid order; all their placements by cid and node; then what
-- fold_contents locks (pins, org_usage, pin_counts). A content that does not exist is passed over, even if it is made meanwhile.
-- Returns: {jobs: [{cid, node_id, generation, attempt, org_id}], added, dropped, stale}: the placements to hint, and the numbers of copies
-- added, of copies dropped and of stale repairs.
-- Raises: AN002 if `of_leader` is not the current epoch; AN003 during maintenance.
create or replace function apply_repairs(of_leader text, repairs jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
  r record;
  c record;
  gone uuid[];
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
    if repair_is_stale(r.cid, r.seen, r.add, gone, r.lose, r.find, c.wanted, c.needed) then
      stale := stale + 1;
      if not c.unsettled then update contents x set unsettled = true where x.cid = r.cid; end if;
      continue;
    end if;

    jobs := jobs || change_copies(r.cid, r.add, gone, r.lose, r.find);
    added := added + jsonb_array_length(r.add);
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
