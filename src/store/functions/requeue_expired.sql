-- Finds at most `most` claims whose time is over, or whose node has started again since, and ends them (end_claims).
-- Locks: the cluster's row (share); contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the placements whose claims ended, also those that failed.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function requeue_expired(of_leader text, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
begin
  perform assert_leading(of_leader);
  select array_agg(distinct q.cid) into cids from (
    select p.cid from nodes n cross join lateral (
      (select * from placements p where p.node_id = n.id and p.state = 'pinning'
         and (p.claimed_by < n.incarnation or not is_claimed(p.claimed_until)) limit most)
      union all
      (select * from placements p where p.node_id = n.id and p.state = 'queued' and p.claimed_generation = p.generation
         and p.claimed_by < n.incarnation limit most)) p
    limit most) q;
  if cids is not null then return query select * from end_claims(cids); end if;
end $$;
