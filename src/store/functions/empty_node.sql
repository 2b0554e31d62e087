-- Removes the next placements of a node that is being deleted for good: at most `most` after the cid `after`, in cid order. Their contents
-- are marked for repair; a content is deleted when it has no other placement and no pin has or keeps it.
-- A content that pins want and that was pinned here alone may be lost. A copy on a node that has not compared its Kubo since a restore does
-- not count. With `accept_loss` it is marked as lost (`lost_at`) if no other placement is pinned, and its placements elsewhere that failed
-- or are to be unpinned are queued again: those tried it once, or may still have it.
-- Locks: the node's row (share); contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the last cid of the step; null when no placement was left.
-- Raises: AN004 when the node does not exist, is in service, or was seen less than `fresh_ms` ms ago; and, without `accept_loss`, when a
-- content would be lost.
create or replace function empty_node(node uuid, fresh_ms bigint, accept_loss boolean, after text, most int) returns text
language plpgsql as $$
declare
  cids text[];
  gone text[];
begin
  perform from nodes n where n.id = node and n.state = 'drained'
    and n.last_seen < clock_timestamp() - make_interval(secs => fresh_ms / 1000.0) for share;
  if not found then raise exception 'the node is alive or in service: stop it first' using errcode = 'AN004'; end if;
  cids := array(select p.cid from placements p where p.node_id = node and p.cid > after order by p.cid limit most);
  if cids = '{}' then return null; end if;
  perform lock_contents(cids);
  gone := array(
    select u.cid from unnest(cids) as u (cid)
    cross join lateral (select from placements p where p.cid = u.cid and p.node_id = node and p.state = 'pinned' offset 0) p
    where is_wanted(u.cid) and not exists (
      select from placements q join nodes n on n.id = q.node_id
      where q.cid = u.cid and q.node_id <> node and q.state = 'pinned' and not q.lost and not n.uncompared));
  if gone <> '{}' and not accept_loss then
    raise exception 'the node has content that is pinned nowhere else' using errcode = 'AN004';
  end if;
  delete from placements p where p.node_id = node and p.cid = any (cids);
  if gone <> '{}' then
    update contents c set lost_at = clock_timestamp() where c.cid = any (gone)
      and not exists (select from placements q where q.cid = c.cid and q.state = 'pinned' and not q.lost);
    update placements p set state = 'queued', generation = nextval('placement_generation'), attempts_before = p.attempts,
      verify = p.verify or p.state = 'unpinning', retrying = false, crashes = 0, wanted_since = clock_timestamp(),
      next_attempt_at = clock_timestamp()
    where p.cid = any (gone) and p.state in ('failed', 'unpinning');
  end if;
  delete from contents c where c.cid = any (cids) and not exists (select from placements p where p.cid = c.cid) and not is_wanted(c.cid)
    and not exists (select from pins where pins.cid = c.cid);
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
  perform fold_contents(cids);
  return cids[cardinality(cids)];
end $$;
