-- Part of want_contents: makes the placements that the contents of `items` lack, on the first of their `nodes` that work and have none. A
-- node works when it is active and neither unable nor down. If none of a content's `nodes` works, any that is active is used. `had` is the
-- result of wake_placements. Marked for the leader's repair is content that has too few copies since too few nodes are given, that may have
-- too many since it had placements, that has a leaving copy, or that waits on a node that does not work. (A repair removes the mark of
-- content that no pin wants, also when it has a leaving copy.)
-- The caller holds the contents' rows and the nodes (hold_nodes). So the leader's walk over a node that stops to work begins after this
-- transaction, or before it, and then this function sees that the node does not work.
-- Locks: nothing more.
-- Returns: the new placements: {cid: [{nodeId, generation, attempt}]}; null when there is none.
create or replace function make_placements(items jsonb, usual int, org uuid, at timestamptz, had jsonb) returns jsonb
language plpgsql as $$
declare
  active uuid[];
  working uuid[];
  made jsonb;
  short boolean;
begin
  -- the node that chose `nodes` may know less
  select coalesce(array_agg(n.id), '{}'), coalesce(array_agg(n.id) filter (where n.down_at is null and n.unable_since is null), '{}')
  into active, working from nodes n where n.state = 'active';
  with need as (
    select i.cid, i.nodes, greatest(0, i.replicas - coalesce((had -> i.cid ->> 'copies')::int, 0)) as n
    from (select distinct on (j.cid) j.cid, j.nodes, coalesce(j.replicas, usual) as replicas
          from jsonb_to_recordset(items) as j (cid text, replicas int, nodes uuid[]) order by j.cid, coalesce(j.replicas, usual) desc) i
  ), fresh as (
    insert into placements as q (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
    select i.cid, u.node, nextval('placement_generation'), 'queued', 'new', org, at, at
    from need i
    cross join lateral (
      select u.node from unnest(i.nodes) with ordinality as u (node, place)
      where not coalesce(had -> i.cid -> 'nodes' ? u.node::text, false)
        and u.node = any (case when i.nodes && working then working else active end)
      order by u.place limit i.n) u
    returning q.cid, q.node_id, q.generation
  )
  select (select jsonb_object_agg(f.cid, f.woken) from (
      select cid, jsonb_agg(jsonb_build_object('nodeId', node_id, 'generation', generation, 'attempt', 1)) as woken
      from fresh group by cid) f),
    (select sum(n) from need) > (select count(*) from fresh)
  into made, short;
  if short or had <> '{}' or active <> working then
    update contents c set unsettled = true
    where c.cid = any (array(select i.cid from jsonb_to_recordset(items) as i (cid text))) and not c.unsettled
      and (c.wanted <> coalesce((had -> c.cid ->> 'copies')::int, 0) + coalesce(jsonb_array_length(made -> c.cid), 0)
        or exists (select from placements q where q.cid = c.cid and (q.leaving or q.state in ('queued', 'pinning')
          and q.node_id = any (active) and q.node_id <> all (working))));
  end if;
  return made;
end $$;
