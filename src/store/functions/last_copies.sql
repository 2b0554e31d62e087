-- Finds those of `cids` that pins want and of which no node but `node` has a copy that counts: pinned, neither lost nor leaving.
-- Locks: nothing.
-- Returns: the contents whose last copy may be on `node`.
create or replace function last_copies(node uuid, cids text[]) returns setof text language sql stable as $$
  select u from unnest(cids) as u
  where is_wanted(u) and not exists (
    select from placements q where q.cid = u and q.node_id <> node and q.state = 'pinned' and not q.lost and not q.leaving)
$$;
