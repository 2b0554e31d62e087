-- Adds at most `most` rows of placement_changes to placement_counts, and deletes them. Only the leader calls it.
-- Locks: the cluster's row (for share), the rows of placement_changes, the rows of placement_counts in key order.
-- Returns: the number of changes that it added up.
-- Raises: AN002 if `of_leader` is not the current epoch.
create or replace function add_up_placements(of_leader text, most int) returns int language plpgsql as $$
declare
  taken int;
begin
  perform assert_epoch(of_leader);
  with gone as (
    delete from placement_changes where ctid = any (array(select ctid from placement_changes limit most)) returning *
  ), added as (
    insert into placement_counts as c (node_id, state, reason, n, bytes)
    select node_id, state, reason, sum(n), sum(bytes) from gone group by 1, 2, 3 order by 1, 2, 3
    on conflict (node_id, state, reason) do update set n = c.n + excluded.n, bytes = c.bytes + excluded.bytes
  )
  select count(*) into taken from gone;
  delete from placement_counts where n = 0 and bytes = 0;
  return taken;
end $$;
