-- At a node's boot: claims of its earlier incarnations are void. Returns how many there were, at most `most`.
create or replace function void_claims(node uuid, boot bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  select array_agg(q.cid) into cids from (
    select p.cid from placements p
    where p.node_id = node and p.state = 'pinning' and p.claimed_by < boot limit most) q;
  if cids is null then return 0; end if;
  perform requeue_crashed(cids);
  return cardinality(cids);
end $$;
