-- Takes one step of a walk over a node's placements, in cid order: the next `most` after the cid `after`. It finds the contents that are
-- lost if the node never comes back: pins want them, and they are pinned on this node alone. A lost copy does not count as a copy, nor does
-- one on a node that has not compared its Kubo since a restore.
-- Locks: nothing.
-- Returns: {seen, last, contents: [{cid, bytes, pins, orgs}], orgs}. `seen` is how many placements the step read, and `last` the cid of the
-- last one, null when the walk is over. `contents` are in cid order; `pins` is how many pins want the content, and `orgs` of how many orgs.
-- The outer `orgs` are the ids of all these orgs.
create or replace function sole_contents(node uuid, after text, most int) returns jsonb language sql stable as $$
  with step as materialized (
    select x.cid, x.state, x.bytes from placements x where x.node_id = node and x.cid > after order by x.cid limit most
  ), sole as materialized (
    select s.cid, s.bytes from step s
    where s.state = 'pinned'
      and not exists (select from placements q join nodes n on n.id = q.node_id
        where q.cid = s.cid and q.node_id <> node and q.state = 'pinned' and not q.lost and not n.uncompared)
      and is_wanted(s.cid)
  ), counted as materialized (
    select s.cid, s.bytes, n.pins, n.orgs from sole s
    cross join lateral (
      select count(*) as pins, coalesce(array_agg(distinct p.org_id), '{}') as orgs
      from pins p where p.cid = s.cid and p.error_code is null) n
  )
  select jsonb_build_object(
    'seen', (select count(*) from step),
    'last', (select case when count(*) = most then max(cid) end from step),
    'contents', (select coalesce(jsonb_agg(jsonb_build_object(
      'cid', c.cid, 'bytes', c.bytes, 'pins', c.pins, 'orgs', cardinality(c.orgs)) order by c.cid), '[]') from counted c),
    'orgs', (select coalesce(jsonb_agg(distinct o), '[]') from counted c, unnest(c.orgs) o))
$$;
