-- Checks that `of_leader` is the present epoch (assert_epoch) and that maintenance is off. Sweeps and repairs call it first.
-- The lock keeps both so until the transaction ends: a switch to maintenance waits for it, and no sweep begins after that switch.
-- Locks: the cluster's row (for share).
-- Raises: AN002 if another leader has been elected; AN003 during maintenance.
create or replace function assert_leading(of_leader text) returns void language plpgsql as $$
declare
  reason text;
begin
  perform assert_epoch(of_leader);
  select maintenance_reason into reason from cluster;
  if reason is not null then raise exception 'maintenance is on: %', reason using errcode = 'AN003'; end if;
end $$;
