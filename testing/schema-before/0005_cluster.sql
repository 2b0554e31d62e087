-- min_code: 1
-- Many nodes: what operators want of them, what the leader repairs, plans of moves, maintenance.

alter table nodes
  add column state text not null default 'active' check (state in ('active', 'draining', 'drained')),
  -- given up for down by the leader; until its sign is fresh again
  add column down_at timestamptz,
  -- how far the leader's walk over its placements came, in cid order; null when none is to be walked
  add column walk_after text collate "C",
  -- where its nats-server is reached by others, host:port
  add column route text,
  -- what it says of itself every ten seconds
  add column report jsonb,
  add column reported_at timestamptz,
  -- the operator lets its reconciler remove more than it dares to, once
  add column reconcile_confirmed_at timestamptz;
-- empty as a rule: accepts look here
create index nodes_closed on nodes (id) where state <> 'active';

alter table cluster
  -- an operator's wish that nothing be repaired or swept for a while; until null: until switched off
  add column maintenance_reason text,
  add column maintenance_actor text,
  add column maintenance_since timestamptz,
  add column maintenance_until timestamptz,
  add constraint maintenance_whole check (
    (maintenance_reason is null) = (maintenance_actor is null) and (maintenance_reason is null) = (maintenance_since is null)
    and (maintenance_until is null or maintenance_reason is not null));

alter table contents
  -- the leader's repair is to look at it
  add column unsettled boolean not null default false;
create index contents_unsettled on contents (cid) where unsettled;

alter table placements
  -- on a node that was given up for down: counts for nothing until its node is back
  add column lost boolean not null default false,
  -- given up on purpose: a source, counts for nothing, goes once the wanted copies stand
  add column leaving boolean not null default false;
-- copies under way that no new pin waits for; what waits to be tried again holds up no other
create index placements_moving on placements (node_id)
  where reason <> 'new' and not lost and (state = 'pinning' or state = 'queued' and not retrying);

-- the largest number of replicas among a content's pins, when one of them goes
create index pins_replicated on pins (cid, replicas) where replicas > 1;

-- ids of tokens that are refused before their time is over
create table token_denylist (
  jti uuid primary key,
  until timestamptz not null
);
create index token_denylist_over on token_denylist (until);

-- ---------------------------------------------------------------- plans: moves of copies from node to node

create table plans (
  id uuid primary key,
  actor text not null,
  summary jsonb not null,
  state text not null default 'planned' check (state in ('planned', 'applying', 'paused', 'applied', 'cancelled')),
  created_at timestamptz not null default clock_timestamp(),
  -- its moves are all saved: until then it is none
  whole boolean not null default false,
  moves integer not null default 0,
  bytes bigint not null default 0,
  done integer not null default 0,
  skipped integer not null default 0
) with (fillfactor = 70);
create index plans_by_time on plans (created_at, id);
create index plans_applying on plans (created_at, id) where state = 'applying';

create table plan_moves (
  plan_id uuid not null,
  number integer not null,
  cid text collate "C" not null,
  from_node uuid not null,
  to_node uuid not null,
  bytes bigint not null,
  reason text not null,
  state text not null default 'planned' check (state in ('planned', 'moving', 'done', 'skipped')),
  note text,
  primary key (plan_id, number)
) with (fillfactor = 80);
create index plan_moves_planned on plan_moves (plan_id, number) where state = 'planned';
create index plan_moves_moving on plan_moves (plan_id, number) where state = 'moving';

grant select, insert, update, delete on token_denylist, plans, plan_moves to anchorage_system;

-- ---------------------------------------------------------------- repair

-- Contents as repair sees them; `wanted` is 0 when no pin is left. Those that are gone are left out.
create function content_copies(cids text[]) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  -- as is_wanted, which would be a call for each
  select c.cid, case when exists (select from pins where pins.cid = c.cid and error_code is null) or is_held(c.cid) then c.wanted else 0 end, c.dag_size,
    (select coalesce(jsonb_agg(jsonb_build_object('nodeId', p.node_id, 'generation', p.generation, 'state', p.state,
       'errorCode', p.error_code, 'lost', p.lost, 'leaving', p.leaving) order by p.node_id), '[]')
     from placements p where p.cid = c.cid)
  from unnest(cids) as u (cid) cross join lateral (select * from contents x where x.cid = u.cid offset 0) c
$$;

-- Contents marked for repair.
create function unsettled_contents(after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(select c.cid from contents c where c.unsettled and c.cid > after order by c.cid limit most))
$$;

-- Contents with a placement on a node.
create function contents_on(node uuid, after text, most int) returns table (cid text, wanted int, dag_size bigint, copies jsonb)
language sql stable as $$
  select * from content_copies(array(
    select p.cid from placements p where p.node_id = node and p.cid > after order by p.cid limit most))
$$;

-- Makes a copy of a content on a node, or wakes the one that is being unpinned or failed there; what stands or is under way there
-- counts again. The content is locked. It is no org's, so that no org's pins wait behind copies that nobody waits for. Null when
-- there is nothing to hint.
create function add_copy(of_cid text, on_node uuid, because text) returns bigint language sql as $$
  insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
  values (of_cid, on_node, nextval('placement_generation'), 'queued', because, '00000000-0000-0000-0000-000000000000',
    clock_timestamp(), clock_timestamp())
  on conflict (cid, node_id) do update set
    state = case when p.state in ('unpinning', 'failed') then 'queued' else p.state end,
    generation = case when p.state in ('unpinning', 'failed') then excluded.generation else p.generation end,
    reason = case when p.state in ('unpinning', 'failed') then excluded.reason else p.reason end,
    verify = p.verify or p.state = 'unpinning', lost = false, leaving = false,
    attempts_before = p.attempts, retrying = false, crashes = 0, wanted_since = excluded.wanted_since,
    next_attempt_at = least(p.next_attempt_at, excluded.next_attempt_at)
  returning case when state = 'queued' then generation end
$$;

-- Applies what was decided of contents, each from the copies that were seen (`seen`: {node: generation and state}): whoever finds others
-- under the lock changes nothing of that content, and leaves it marked. A copy that stands is dropped only while as many as are wanted
-- stand beside it, whatever was decided. Answers {jobs, added, dropped, stale}.
-- `repairs`: {cid, seen, add: [{node, reason, auditId, details}], drop: [{node, auditId, details}], lose: [node], find: [node], settled}.
create function apply_repairs(of_leader bigint, repairs jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
  r record;
  c record;
  p record;
  gone uuid[];
  number bigint;
  still boolean;
  jobs jsonb := '[]';
  added int := 0;
  dropped int := 0;
  stale int := 0;
begin
  perform assert_leading(of_leader);
  perform hold_nodes();
  -- content that is gone is left out, also when it comes back meanwhile: it is not locked
  cids := array(
    select x.cid from contents x where x.cid = any (array(select i.cid from jsonb_to_recordset(repairs) as i (cid text)))
    order by x.cid for update);
  perform from unnest(cids) as u (cid) cross join lateral (
    select from placements q where q.cid = u.cid order by q.node_id for update) l;

  for r in select x.* from jsonb_to_recordset(repairs)
             as x (cid text, seen jsonb, add jsonb, drop jsonb, lose uuid[], find uuid[], settled boolean)
           where x.cid = any (cids) order by x.cid loop
    select x.wanted, x.unsettled, is_wanted(x.cid) as needed into c from contents x where x.cid = r.cid;
    gone := array(select (d ->> 'node')::uuid from jsonb_array_elements(r.drop) d);
    if r.seen <> (select coalesce(jsonb_object_agg(q.node_id, q.generation || ' ' || q.state), '{}') from placements q where q.cid = r.cid)
      or (not c.needed and r.add <> '[]')
      or exists (select from jsonb_array_elements(r.add) a
                 where not exists (select from nodes n where n.id = (a ->> 'node')::uuid and n.state = 'active'))
      or (exists (select from placements q where q.cid = r.cid and q.node_id = any (gone) and q.state = 'pinned')
          and (select count(*) from placements q
               where q.cid = r.cid and q.state = 'pinned' and not q.leaving and q.node_id <> all (gone || r.lose)
                 and (not q.lost or q.node_id = any (r.find))) < c.wanted)
    then
      stale := stale + 1;
      if not c.unsettled then update contents x set unsettled = true where x.cid = r.cid; end if;
      continue;
    end if;

    if r.lose <> '{}' then update placements q set lost = true where q.cid = r.cid and q.node_id = any (r.lose); end if;
    if r.find <> '{}' then update placements q set lost = false where q.cid = r.cid and q.node_id = any (r.find); end if;
    for p in select (a ->> 'node')::uuid as node, a ->> 'reason' as reason from jsonb_array_elements(r.add) a order by 1 loop
      number := add_copy(r.cid, p.node, p.reason);
      added := added + 1;
      if number is not null then
        jobs := jobs || jsonb_build_object('cid', r.cid, 'node_id', p.node, 'generation', number, 'attempt', 1, 'org_id', null);
      end if;
    end loop;
    -- never tried: nothing of it can be in Kubo
    delete from placements q where q.cid = r.cid and q.node_id = any (gone) and q.state = 'queued' and q.attempts = 0
      and q.claimed_until is null and not q.verify;
    for p in
      update placements q set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
        next_attempt_at = clock_timestamp()
      where q.cid = r.cid and q.node_id = any (gone) and q.state <> 'unpinning'
      returning q.node_id, q.generation
    loop
      jobs := jobs || jsonb_build_object('cid', r.cid, 'node_id', p.node_id, 'generation', p.generation, 'attempt', 1, 'org_id', null);
    end loop;
    dropped := dropped + cardinality(gone);
    insert into audit_log (id, actor, action, target, details)
    select (a ->> 'auditId')::uuid, 'repair', 'placement.add', r.cid, a -> 'details' from jsonb_array_elements(r.add) a
    union all
    select (d ->> 'auditId')::uuid, 'repair', 'placement.drop', r.cid, d -> 'details' from jsonb_array_elements(r.drop) d;
    -- settled by what was seen, and still: how many are wanted was not part of it
    still := not (r.settled and (not c.needed or c.wanted = (
      select count(*) from placements q join nodes n on n.id = q.node_id
      where q.cid = r.cid and q.state <> 'unpinning' and not q.lost and not q.leaving and n.state = 'active')));
    if still <> c.unsettled then update contents x set unsettled = still where x.cid = r.cid; end if;
  end loop;
  perform fold_contents(cids);
  return jsonb_build_object('jobs', jobs, 'added', added, 'dropped', dropped, 'stale', stale);
end $$;

-- Why a move of a plan cannot begin; null when it can.
create function move_refused(of_cid text, from_node uuid, to_node uuid) returns text language sql stable as $$
  select case
    when not is_wanted(of_cid) then 'nobody wants it any more'
    when not exists (select from placements p where p.cid = of_cid and p.node_id = from_node and p.state = 'pinned'
                     and not p.lost and not p.leaving) then 'it does not stand where it was any more'
    when exists (select from placements p where p.cid = of_cid and p.node_id = to_node and p.state <> 'unpinning')
      then 'the other node has it by now'
    when not exists (select from nodes n where n.id = to_node and n.state = 'active' and n.down_at is null)
      then 'the other node takes no content' end
$$;

-- Begins moves of a plan that is being applied: the new copy is added, the old one is leaving from now on. What no longer fits is
-- skipped. Answers {jobs, started, skipped}. `items`: {number, auditId, details}.
create function start_moves(of_leader bigint, of_plan uuid, items jsonb) returns jsonb language plpgsql as $$
declare
  cids text[];
  m record;
  why text;
  number bigint;
  jobs jsonb := '[]';
  started int := 0;
  skips int := 0;
begin
  perform assert_leading(of_leader);
  perform hold_nodes();
  perform from plans p where p.id = of_plan and p.whole and p.state = 'applying' for update;
  if not found then return jsonb_build_object('jobs', jobs, 'started', 0, 'skipped', 0); end if;
  cids := array(
    select c.cid from contents c where c.cid = any (array(
      select q.cid from jsonb_to_recordset(items) as i (number int)
      cross join lateral (select x.cid from plan_moves x where x.plan_id = of_plan and x.number = i.number offset 0) q))
    order by c.cid for update);
  for m in
    select q.*, i."auditId" as audit_id, i.details from jsonb_to_recordset(items) as i (number int, "auditId" uuid, details jsonb)
    cross join lateral (
      select * from plan_moves x where x.plan_id = of_plan and x.number = i.number and x.state = 'planned' for update) q
    order by q.cid, q.number
  loop
    why := case when m.cid = any (cids) then move_refused(m.cid, m.from_node, m.to_node) else 'nobody wants it any more' end;
    if why is null then
      number := add_copy(m.cid, m.to_node, 'rebalance');
      update placements p set leaving = true, generation = nextval('placement_generation')
      where p.cid = m.cid and p.node_id = m.from_node;
      insert into audit_log (id, actor, action, target, details) values (m.audit_id, 'rebalance', 'placement.add', m.cid, m.details);
      jobs := jobs || jsonb_build_object('cid', m.cid, 'node_id', m.to_node, 'generation', number, 'attempt', 1, 'org_id', null);
      started := started + 1;
    else
      skips := skips + 1;
    end if;
    update plan_moves x set state = case when why is null then 'moving' else 'skipped' end, note = why
    where x.plan_id = of_plan and x.number = m.number;
  end loop;
  perform fold_contents(array(
    select q.cid from jsonb_to_recordset(items) as i (number int)
    cross join lateral (select x.cid from plan_moves x where x.plan_id = of_plan and x.number = i.number offset 0) q));
  update plans p set skipped = p.skipped + skips where p.id = of_plan and skips > 0;
  return jsonb_build_object('jobs', jobs, 'started', started, 'skipped', skips);
end $$;

-- Moves under way, of whatever plan, whose old copy is gone (or lost) are done; a plan that is being applied with none left is applied.
create function settle_moves(of_leader bigint, of_plan uuid, most int, audit_id uuid, plan_name text)
returns table (done int, remaining int) language plpgsql as $$
#variable_conflict use_column
declare
  finished int;
begin
  perform assert_leading(of_leader);
  with over as (
    select m.plan_id, m.number from plan_moves m
    where m.state = 'moving' and not exists (
      select from placements p where p.cid = m.cid and p.node_id = m.from_node and (p.leaving or p.state = 'unpinning') and not p.lost)
    limit most
  ), noted as (
    update plan_moves m set state = 'done' from over o
    where m.plan_id = o.plan_id and m.number = o.number and m.state = 'moving' returning m.plan_id
  ), counted as (
    update plans p set done = p.done + n.n from (select plan_id, count(*)::int as n from noted group by plan_id) n
    where p.id = n.plan_id returning p.id, n.n
  )
  select coalesce(sum(c.n), 0)::int into finished from counted c where c.id = of_plan;
  update plans p set state = 'applied' where p.id = of_plan and p.state = 'applying' and p.done + p.skipped = p.moves;
  if found then insert into audit_log (id, actor, action, target) values (audit_id, 'rebalance', 'plan.applied', plan_name); end if;
  return query select finished, p.moves - p.done - p.skipped from plans p where p.id = of_plan;
end $$;

-- ---------------------------------------------------------------- nodes

-- Held by whoever puts content on nodes that were open when looked at. Who closes a node waits for them here, and they for it: once it
-- is closed, nothing new appears on it.
create function hold_nodes() returns void language sql as $$
  select pg_advisory_xact_lock_shared(7245114)
$$;
create function close_nodes() returns void language sql as $$
  select pg_advisory_xact_lock(7245114)
$$;

-- Of a node's placements after a cid: how far one step came (null: it was the last one), and how many of its pinned copies, of what
-- pins want, stand nowhere else.
create function sole_copies(node uuid, after text, most int) returns table (last text, sole bigint) language sql stable as $$
  select case when count(*) = most then max(p.cid) end, count(*) filter (where p.state = 'pinned'
    and not exists (select from placements q where q.cid = p.cid and q.node_id <> node and q.state = 'pinned' and not q.lost)
    and (exists (select from pins where pins.cid = p.cid and error_code is null) or is_held(p.cid)))
  from (select x.cid, x.state from placements x where x.node_id = node and x.cid > after order by x.cid limit most) p
$$;

-- Takes placements of a node that is gone for good out of the book; returns how many. What is short now is marked for repair. Raises
-- AN004 when the node is there after all, or has what stands nowhere else.
create function forget_placements(node uuid, fresh_ms bigint, most int) returns int language plpgsql as $$
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

do $$
declare
  f text;
begin
  foreach f in array array['content_copies(text[])', 'unsettled_contents(text, int)', 'contents_on(uuid, text, int)',
      'add_copy(text, uuid, text)', 'apply_repairs(bigint, jsonb)', 'move_refused(text, uuid, uuid)', 'start_moves(bigint, uuid, jsonb)',
      'settle_moves(bigint, uuid, int, uuid, text)', 'hold_nodes()', 'close_nodes()', 'sole_copies(uuid, text, int)',
      'forget_placements(uuid, bigint, int)'] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;

-- null: as many as the cluster's config says
alter table orgs alter column default_replicas drop not null, alter column default_replicas drop default;

-- What an org may know of the contents of its own pins: one row a placement (or one without, where there is none).
drop function pin_details(text[]);
create function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint, lost boolean, leaving boolean)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes, p.lost, p.leaving
  from contents c left join lateral (select * from placements q where q.cid = c.cid offset 0) p on true
  where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org())
$$;
revoke all on function pin_details(text[]) from public;
grant execute on function pin_details(text[]) to anchorage_tenant;
alter function pin_details(text[]) owner to anchorage_system;
