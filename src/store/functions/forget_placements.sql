-- Removes at most `most` placements of a node that is gone for good. Their contents are marked for repair; a content is deleted when it has
-- no other placement and no pin has or keeps it.
-- Locks: the node's row (share); contents in cid order; placements; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: how many placements it removed; 0 when none is left.
-- Raises: AN004 when the node does not exist or was seen less than `fresh_ms` ms ago, and when it has the only pinned copy of content that
-- a pin wants.
create or replace function forget_placements(node uuid, fresh_ms bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  perform from nodes n where n.id = node and n.last_seen < clock_timestamp() - make_interval(secs => fresh_ms / 1000.0) for share;
  if not found then raise exception 'the node is alive: stop it first' using errcode = 'AN004'; end if;
  cids := array(select p.cid from placements p where p.node_id = node order by p.cid limit most);
  if cids = '{}' then return 0; end if;
  perform lock_contents(cids);
  if exists (
    select from unnest(cids) as u (cid)
    cross join lateral (select from placements p where p.cid = u.cid and p.node_id = node and p.state = 'pinned' offset 0) p
    where is_wanted(u.cid) and not exists (
      select from placements q where q.cid = u.cid and q.node_id <> node and q.state = 'pinned' and not q.lost))
  then raise exception 'the node has content that is pinned nowhere else' using errcode = 'AN004'; end if;
  delete from placements p where p.node_id = node and p.cid = any (cids);
  delete from contents c where c.cid = any (cids) and not exists (select from placements p where p.cid = c.cid) and not is_wanted(c.cid)
    and not exists (select from pins where pins.cid = c.cid);
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
  perform fold_contents(cids);
  return cardinality(cids);
end $$;
