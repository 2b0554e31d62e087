-- Checks that `of_leader` is the epoch of the current leader. The lock keeps it so until the transaction ends: an election waits for it.
-- Locks: the cluster's row (for share).
-- Raises: AN002 if another leader has been elected.
create or replace function assert_epoch(of_leader bigint) returns void language plpgsql as $$
begin
  perform from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
end $$;
