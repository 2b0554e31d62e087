-- Refuses the pins that the org `orgs[i]` has of the content `cids[i]`, which is still arriving: they become `failed` with `too_big`.
-- A pair that is given twice counts once. Content that no pin wants any more is released. The caller holds the contents' rows.
-- Locks: the pins, pair by pair in the order of seq; reserved_bytes; org_usage in the order of orgs; pin_counts in key order; placements.
create or replace function refuse_arriving(cids text[], orgs uuid[]) returns void language plpgsql as $$
declare
  tids tid[];
  owners uuid[];
  was text[];
  buckets bigint[];
begin
  select array_agg(l.ctid), array_agg(l.org_id), array_agg(l.status), array_agg(l.seq >> 10) into tids, owners, was, buckets
  from (select distinct x.cid, x.org from unnest(cids, orgs) as x (cid, org)) u
  cross join lateral (
    select q.ctid, q.* from pins q where q.cid = u.cid and q.org_id = u.org and q.error_code is null order by q.seq for update) l;
  update pins p set status = 'failed', error_code = 'too_big' where p.ctid = any (tids);
  perform give_back_bytes(cids);
  perform count_pins(owners || owners, was || array_fill('failed'::text, array[cardinality(owners)]), buckets || buckets,
    array_fill(-1::bigint, array[cardinality(owners)]) || array_fill(1::bigint, array[cardinality(owners)]));
  perform release_contents(array(select distinct c from unnest(cids) c), 0);
end $$;
