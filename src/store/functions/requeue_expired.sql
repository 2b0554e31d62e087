-- Claims whose time ran out, or whose incarnation is over.
create or replace function requeue_expired(of_leader bigint, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
begin
  perform assert_leading(of_leader);
  select array_agg(distinct q.cid) into cids from (
    select p.cid from nodes n cross join lateral (
      select * from placements p where p.node_id = n.id and p.state = 'pinning'
        and (p.claimed_until < clock_timestamp() or p.claimed_by < n.incarnation) limit most) p
    limit most) q;
  if cids is not null then return query select * from requeue_crashed(cids); end if;
end $$;
