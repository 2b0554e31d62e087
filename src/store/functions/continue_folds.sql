-- Folds that stopped at their limit go on, and then the walk over contents that lack copies.
create or replace function continue_folds(of_leader bigint, most int) returns int language plpgsql as $$
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
