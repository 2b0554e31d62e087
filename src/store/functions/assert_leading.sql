-- The same, for all that rests in maintenance (AN003): sweeps and repairs. Whoever switches maintenance on waits for what is under way,
-- and nothing begins after.
create or replace function assert_leading(of_leader bigint) returns void language plpgsql as $$
declare
  reason text;
begin
  select maintenance_reason into reason from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
  if reason is not null then raise exception 'maintenance is on: %', reason using errcode = 'AN003'; end if;
end $$;
