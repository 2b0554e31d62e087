-- Checks that `of_leader` is the epoch of the current leader and that maintenance is off. Sweeps and repairs call it first.
-- The lock keeps both so until the transaction ends: a switch to maintenance waits for it, and no sweep begins after that switch.
-- Locks: the cluster's row (for share).
-- Raises: AN002 if another leader has been elected; AN003 during maintenance.
create or replace function assert_leading(of_leader bigint) returns void language plpgsql as $$
declare
  reason text;
begin
  select maintenance_reason into reason from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
  if reason is not null then raise exception 'maintenance is on: %', reason using errcode = 'AN003'; end if;
end $$;
