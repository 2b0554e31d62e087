-- Gives each content of an accept the placements that it lacks: makes the contents that do not exist, queues placements again that failed
-- or are being unpinned, and makes new ones. `items`: [{cid, replicas?, origins?, nodes}], where `nodes` are node ids, the best one first;
-- `usual` is the number of replicas of an item that does not say one. Content for which too few nodes are given has fewer copies than it
-- should; content that existed before may have more. Either is marked for the leader's repair.
-- Security definer: an org may not touch contents and placements. The caller holds the org's row.
-- Locks: the nodes (hold_nodes); contents in cid order; placements by cid and node.
-- Returns: {cid: {copies, pinned, pinning, attempts, woken, size}}. `copies` is how many placements count as copies now. `pinned`,
-- `pinning` and `attempts` are null for content that had no placement. `woken` are the placements to hint at: [{nodeId,
-- generation, attempt}]. `size` is in bytes, or null. Content is left out when it has no placement and its size is not known.
-- Raises: 42501 when no org is set.
set local role anchorage_system;
create or replace function want_contents(items jsonb, usual int) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  org uuid := current_org();
  at timestamptz;
  p record;
  number bigint;
  -- contents that had placements: {cid: {pinned, pinning, attempts, woken, copies, nodes}}
  had jsonb := '{}';
  sizes jsonb;
  h jsonb;
  made jsonb;
  short boolean;
  closed uuid[];
begin
  if org is null then raise exception 'no org is set' using errcode = '42501'; end if;
  perform hold_nodes();
  with locked as (
    insert into contents as c (cid, wanted)
    select i.cid, max(coalesce(i.replicas, usual)) from jsonb_to_recordset(items) as i (cid text, replicas int)
    group by i.cid order by i.cid
    on conflict (cid) do update set unpin_after = null, wanted = greatest(c.wanted, excluded.wanted)
    returning c.cid, c.dag_size
  )
  select coalesce(jsonb_object_agg(l.cid, l.dag_size) filter (where l.dag_size is not null), '{}') into sizes from locked l;
  at := clock_timestamp();

  for p in
    select q.*, w.nodes, w.origins
    from (select i.cid, (array_agg(to_jsonb(i.nodes) order by coalesce(i.replicas, usual) desc))[1] as nodes,
            bool_or(i.origins is not null) as origins
          from jsonb_to_recordset(items) as i (cid text, replicas int, origins jsonb, nodes uuid[]) group by i.cid order by i.cid) w
    cross join lateral (select * from placements q where q.cid = w.cid order by q.node_id for update) q
  loop
    h := coalesce(had -> p.cid, '{"pinned": 0, "pinning": 0, "attempts": 0, "copies": 0, "nodes": [], "woken": []}');
    h := h || jsonb_build_object('attempts', (h ->> 'attempts')::int + p.attempts);
    if p.lost or p.leaving
      or (not p.nodes ? p.node_id::text and (p.state = 'unpinning' or p.state = 'failed' and p.error_code = 'node_full'))
    then
      -- lost, leaving, or on a node that would not be chosen now: the placement is left as it is, and does not count as a copy
      h := h || jsonb_build_object('pinned', (h ->> 'pinned')::int + (p.state = 'pinned' and not p.lost)::int);
    elsif p.state = 'pinned' then
      h := h || jsonb_build_object('copies', (h ->> 'copies')::int + 1, 'pinned', (h ->> 'pinned')::int + 1);
    else
      number := case when p.state in ('failed', 'unpinning') then nextval('placement_generation') else p.generation end;
      update placements q set
        state = case when q.state = 'pinning' then q.state else 'queued' end, generation = number,
        verify = q.verify or q.state = 'unpinning',
        attempts_before = q.attempts, retrying = false, crashes = 0,
        wanted_since = at, next_attempt_at = least(q.next_attempt_at, at)
      where q.cid = p.cid and q.node_id = p.node_id;
      -- the next fold shows the other pins of this content as queued again
      if p.state = 'failed' then update contents c set folding = true where c.cid = p.cid; end if;
      h := h || jsonb_build_object('copies', (h ->> 'copies')::int + 1,
        'pinning', (h ->> 'pinning')::int + (p.state = 'pinning')::int);
      if p.state <> 'pinning' or p.origins then
        h := jsonb_set(h, '{woken}', (h -> 'woken') || jsonb_build_object('nodeId', p.node_id, 'generation', number, 'attempt', 1));
      end if;
    end if;
    had := had || jsonb_build_object(p.cid, jsonb_set(h, '{nodes}', (h -> 'nodes') || to_jsonb(p.node_id)));
  end loop;

  -- the node that chose `nodes` may not know of these yet
  closed := array(select n.id from nodes n where n.state <> 'active');
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
      where not coalesce(had -> i.cid -> 'nodes' ? u.node::text, false) and u.node <> all (closed)
      order by u.place limit i.n) u
    returning q.cid, q.node_id, q.generation
  )
  select (select jsonb_object_agg(f.cid, f.woken) from (
      select cid, jsonb_agg(jsonb_build_object('nodeId', node_id, 'generation', generation, 'attempt', 1)) as woken
      from fresh group by cid) f),
    (select sum(n) from need) > (select count(*) from fresh)
  into made, short;
  if short or had <> '{}' then
    update contents c set unsettled = true
    where c.cid = any (array(select i.cid from jsonb_to_recordset(items) as i (cid text))) and not c.unsettled
      and c.wanted <> coalesce((had -> c.cid ->> 'copies')::int, 0) + coalesce(jsonb_array_length(made -> c.cid), 0);
  end if;

  return (
    select coalesce(jsonb_object_agg(c, jsonb_build_object('pinned', had -> c -> 'pinned', 'pinning', had -> c -> 'pinning',
      'attempts', had -> c -> 'attempts', 'size', sizes -> c,
      'copies', coalesce((had -> c ->> 'copies')::int, 0) + coalesce(jsonb_array_length(made -> c), 0),
      'woken', coalesce(had -> c -> 'woken', '[]') || coalesce(made -> c, '[]'))), '{}')
    from (select jsonb_object_keys(had) union select jsonb_object_keys(coalesce(made, '{}')) union select jsonb_object_keys(sizes)) k (c));
end $$;
grant execute on function want_contents to anchorage_tenant;
