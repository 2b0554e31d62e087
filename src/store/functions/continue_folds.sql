-- Goes on with folds that stopped at their limit: at most ten contents, and `most` pins of each. If there are none, it takes a step in the
-- walk that begins when nodes come or go (refolds): it folds the next `most` unsettled contents, because their pins may have another status
-- with this number of nodes.
-- Locks: the cluster's row (for share); the contents in cid order (skip locked), or the row of refolds and then the contents in cid order;
-- then what fold_contents locks (pins, org_usage, pin_counts).
-- Returns: `most` if folds went on; otherwise the number of contents walked, 0 when nothing is left to do.
-- Raises: AN002 if `of_leader` is not the current epoch; AN003 during maintenance.
create or replace function continue_folds(of_leader text, most int) returns int language plpgsql as $$
declare
  cids text[];
  came text;
begin
  perform assert_leading(of_leader);
  select array_agg(q.cid) into cids from (
    select cid from contents where folding order by cid limit 10 for update skip locked) q;
  if cids is not null then
    perform fold_contents(cids, most);
    return most;
  end if;
  select after into came from refolds for update;
  if came is null then return 0; end if;
  select array_agg(q.cid order by q.cid) into cids from (
    select cid from contents where unsettled and cid > came order by cid limit most) q;
  update refolds set after = cids[cardinality(cids)];
  if cids is null then return 0; end if;
  perform lock_contents(cids);
  perform fold_contents(cids, most);
  return cardinality(cids);
end $$;
