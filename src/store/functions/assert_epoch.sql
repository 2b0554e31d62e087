-- Checks that `of_leader` is the present epoch: its number, and the id of the term that took it (ADR 65). A bare number is right only while
-- the present epoch was taken without an id. The lock keeps it so until the transaction ends: the next leader waits for it.
-- Locks: the cluster's row (for share).
-- Raises: AN002 if another leader has been elected.
create or replace function assert_epoch(of_leader text) returns void language plpgsql as $$
begin
  perform from cluster where fence = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
end $$;
