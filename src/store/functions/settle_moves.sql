-- Ends at most `most` moves under way, of any plan: a move is done when its old copy is gone or lost, or is neither leaving nor being
-- unpinned any more. The plan `of_plan` becomes applied when it is applying and no move of it is left.
-- Locks: the cluster's row (share); plan_moves; plans.
-- Returns: one row. `done` is how many moves of `of_plan` this call ended, `remaining` is how many are left. There is no row when the plan
-- does not exist.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function settle_moves(of_leader text, of_plan uuid, most int, audit_id uuid, plan_name text)
returns table (done int, remaining int)
language plpgsql as $$
#variable_conflict use_column
declare
  finished int;
begin
  perform assert_leading(of_leader);
  with over as (
    select m.plan_id, m.number from plan_moves m
    where m.state = 'moving' and not exists (
      select from placements p where p.cid = m.cid and p.node_id = m.from_node and (p.leaving or p.state = 'unpinning') and not p.lost)
    limit most
  ), noted as (
    update plan_moves m set state = 'done' from over o
    where m.plan_id = o.plan_id and m.number = o.number and m.state = 'moving' returning m.plan_id
  ), counted as (
    update plans p set done = p.done + n.n from (select plan_id, count(*)::int as n from noted group by plan_id) n
    where p.id = n.plan_id returning p.id, n.n
  )
  select coalesce(sum(c.n), 0)::int into finished from counted c where c.id = of_plan;
  update plans p set state = 'applied' where p.id = of_plan and p.state = 'applying' and p.done + p.skipped = p.moves;
  if found then insert into audit_log (id, actor, action, target) values (audit_id, 'rebalance', 'plan.applied', plan_name); end if;
  return query select finished, p.moves - p.done - p.skipped from plans p where p.id = of_plan;
end $$;
