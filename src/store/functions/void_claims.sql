-- At a node's boot: ends the claims that its earlier incarnations made (before `boot`), also those whose time was over before, at most
-- `most` of either kind a call (end_claims).
-- Locks: contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: how many claims it found; 0 when none is left.
create or replace function void_claims(node uuid, boot bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  select array_agg(q.cid) into cids from (
    (select p.cid from placements p
     where p.node_id = node and p.state = 'pinning' and p.claimed_by < boot limit most)
    union all
    (select p.cid from placements p
     where p.node_id = node and p.state = 'queued' and p.claimed_generation = p.generation and p.claimed_by < boot limit most)) q;
  if cids is null then return 0; end if;
  perform end_claims(cids);
  return cardinality(cids);
end $$;
