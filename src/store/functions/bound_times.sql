-- Brings times back that lie further ahead than they can: they were written while the clock of the database was ahead. A retry, also one
-- of an unpin, is due at most `longest_ms` from now, the longest backoff; at most `most` are changed. A placement that put_by set aside
-- (`infinity`) stays. A node's last sign of life is at most now, and grows old from then on.
-- Locks: the cluster's row (share); nodes in id order; placements in cid order. As a rule there is nothing to lock but the cluster's row.
-- Returns: how many rows it changed.
-- Raises: AN002 and AN003 (assert_leading).
create or replace function bound_times(of_leader text, longest_ms bigint, most int) returns int language plpgsql as $$
declare
  latest timestamptz := clock_timestamp() + make_interval(secs => longest_ms / 1000.0);
  tids tid[];
  seen int;
begin
  perform assert_leading(of_leader);
  with ahead as materialized (
    select n.id from nodes n where n.last_seen > clock_timestamp() + interval '5 s' order by n.id for update
  ), changed as (
    update nodes n set last_seen = clock_timestamp() where n.id in (select a.id from ahead a) returning 1
  )
  select count(*) into seen from changed;
  select array_agg(p.ctid) into tids
  from (select q.cid, q.node_id from nodes n cross join lateral (
          (select r.cid, r.node_id from placements r
           where r.node_id = n.id and r.state = 'queued' and r.retrying and r.next_attempt_at > latest and r.next_attempt_at < 'infinity'
           limit most)
          union all
          (select r.cid, r.node_id from placements r
           where r.node_id = n.id and r.state = 'unpinning' and r.next_attempt_at > latest limit most)) q
        order by q.cid, q.node_id limit most) f
  cross join lateral (
    select q.ctid from placements q where q.cid = f.cid and q.node_id = f.node_id
      and q.next_attempt_at > latest and q.next_attempt_at < 'infinity' for update) p;
  if tids is null then return seen; end if;
  update placements p set next_attempt_at = latest where p.ctid = any (tids);
  return seen + cardinality(tids);
end $$;
