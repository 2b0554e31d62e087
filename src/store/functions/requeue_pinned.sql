-- For a node that gets another Kubo: queues those of its next `most` placements after the cid `after` again that are pinned, since the new
-- Kubo has none of their contents. Their contents are marked for repair. They are queued as retries: a node takes these beside new pins and
-- not before them, and they do not hold up the repair of other nodes.
-- Locks: the node's row (share); contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the last cid of the step; null when no placement was left.
-- Raises: AN004 when the node does not exist or was seen less than `fresh_ms` ms ago.
create or replace function requeue_pinned(node uuid, fresh_ms bigint, after text, most int) returns text language plpgsql as $$
declare
  step text[];
  cids text[];
begin
  perform from nodes n
  where n.id = node and n.last_seen < clock_timestamp() - make_interval(secs => fresh_ms / 1000.0) for share;
  if not found then raise exception 'the node is alive: stop it first' using errcode = 'AN004'; end if;
  step := array(select p.cid from placements p where p.node_id = node and p.cid > after order by p.cid limit most);
  if step = '{}' then return null; end if;
  cids := array(select p.cid from placements p where p.node_id = node and p.cid = any (step) and p.state = 'pinned');
  perform lock_contents(cids);
  update placements p set state = 'queued', generation = nextval('placement_generation'), reason = 'repair', verify = true,
    foreign_pin = false, attempts_before = p.attempts, retrying = true, wanted_since = clock_timestamp(),
    next_attempt_at = clock_timestamp()
  where p.node_id = node and p.cid = any (cids) and p.state = 'pinned';
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
  perform fold_contents(cids);
  return step[cardinality(step)];
end $$;
