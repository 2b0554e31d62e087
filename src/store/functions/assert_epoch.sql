-- Held to the end of the transaction; raises AN002 when another leader has been elected since.
create or replace function assert_epoch(of_leader bigint) returns void language plpgsql as $$
begin
  perform from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
end $$;
