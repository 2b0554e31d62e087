-- Begins moves of a plan that is applying: adds the new copy, and marks the old one as leaving. A move that no longer fits is skipped, with
-- the reason of move_refused. `items`: [{number, auditId, details}], where `number` names the move. Each lateral with `offset 0` looks up
-- the moves by their key.
-- Locks: the cluster's row (share); the nodes (hold_nodes); the plan's row; contents in cid order; plan_moves; placements; then pins,
-- reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: {jobs, started, skipped}; `jobs`: [{cid, node_id, generation, attempt, org_id}]. The numbers are 0 when the plan is not
-- applying.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function start_moves(of_leader text, of_plan uuid, items jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
  m record;
  why text;
  number bigint;
  jobs jsonb := '[]';
  started int := 0;
  skips int := 0;
begin
  perform assert_leading(of_leader);
  perform hold_nodes();
  perform from plans p where p.id = of_plan and p.whole and p.state = 'applying' for update;
  if not found then return jsonb_build_object('jobs', jobs, 'started', 0, 'skipped', 0); end if;
  cids := array(
    select c.cid from contents c where c.cid = any (array(
      select q.cid from jsonb_to_recordset(items) as i (number int)
      cross join lateral (select x.cid from plan_moves x where x.plan_id = of_plan and x.number = i.number offset 0) q))
    order by c.cid for update);
  for m in
    select q.*, i."auditId" as audit_id, i.details from jsonb_to_recordset(items) as i (number int, "auditId" uuid, details jsonb)
    cross join lateral (
      select * from plan_moves x where x.plan_id = of_plan and x.number = i.number and x.state = 'planned' for update) q
    order by q.cid, q.number
  loop
    why := case when m.cid = any (cids) then move_refused(m.cid, m.from_node, m.to_node) else 'no pin wants it any more' end;
    if why is null then
      number := add_copy(m.cid, m.to_node, 'rebalance');
      update placements p set leaving = true, generation = nextval('placement_generation')
      where p.cid = m.cid and p.node_id = m.from_node;
      insert into audit_log (id, actor, action, target, details) values (m.audit_id, 'rebalance', 'placement.add', m.cid, m.details);
      jobs := jobs || jsonb_build_object('cid', m.cid, 'node_id', m.to_node, 'generation', number, 'attempt', 1, 'org_id', null);
      started := started + 1;
    else
      skips := skips + 1;
    end if;
    update plan_moves x set state = case when why is null then 'moving' else 'skipped' end, note = why
    where x.plan_id = of_plan and x.number = m.number;
  end loop;
  perform fold_contents(array(
    select q.cid from jsonb_to_recordset(items) as i (number int)
    cross join lateral (select x.cid from plan_moves x where x.plan_id = of_plan and x.number = i.number offset 0) q));
  update plans p set skipped = p.skipped + skips where p.id = of_plan and skips > 0;
  return jsonb_build_object('jobs', jobs, 'started', started, 'skipped', skips);
end $$;
