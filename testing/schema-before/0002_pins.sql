-- min_code: 1
-- What an org's requests do, each one round trip. Functions that cross from an org to shared content are security definer,
-- owned by anchorage_system, with a fixed search_path; an org may call no other.
-- A batch looks up its rows by key in a lateral subquery that locks them (which no planner turns round), and changes them by
-- ctid in the next statement: a plan that was kept from when the tables were small must not scan at a hundred thousand rows.

-- Without an org only the system gets on from here: for functions that do an org's work with the system's rights.
create function assert_scope() returns void language plpgsql as $$
begin
  if current_org() is null and not pg_has_role(session_user, 'anchorage_system', 'usage') then
    raise exception 'no org is set' using errcode = '42501';
  end if;
end $$;

-- What pin_meta keeps of a key or value: itself when short, its digest when too long for an index.
create function meta_key(t text) returns text language sql immutable strict as $$
  select case when octet_length(t) > 512 then '#' || encode(sha256(convert_to(t, 'UTF8')), 'hex') else '=' || t end
$$;

-- Takes the meta of a pin that goes out of pin_meta: each pair is looked up by its key, which no planner turns round.
create function forget_meta(org uuid, meta jsonb, at_seq bigint) returns void language sql as $$
  delete from pin_meta m where m.ctid = any (array(
    select x.row from jsonb_each_text(meta) k
    cross join lateral (
      select q.ctid as row from pin_meta q
      where q.org_id = org and q.key = meta_key(k.key) and q.value = meta_key(k.value) and q.seq = at_seq offset 0) x))
$$;

-- Adds ns pins of a status to buckets of 2^10 seqs; locks in key order.
create function count_pins(orgs uuid[], statuses text[], buckets bigint[], ns bigint[]) returns void language sql as $$
  insert into pin_counts as c (org_id, status, level, bucket, n)
  select d.org_id, d.status, l.level, d.bucket >> l.bits, sum(d.n)
  from unnest(orgs, statuses, buckets, ns) as d (org_id, status, bucket, n)
  cross join (values (0::smallint, 0), (1::smallint, 10)) as l (level, bits)
  group by 1, 2, 3, 4
  having sum(d.n) <> 0
  order by 1, 2, 3, 4
  on conflict (org_id, status, level, bucket) do update set n = c.n + excluded.n
$$;

-- How many pins of a status have a seq of at most x, exactly: whole buckets and an index-only rest of at most 1,024.
create function count_to(of_status text, x bigint) returns bigint language sql stable as $$
  select coalesce((select sum(n) from pin_counts
                   where org_id = current_org() and status = of_status and level = 1 and bucket < x >> 20), 0)::bigint
       + coalesce((select sum(n) from pin_counts
                   where org_id = current_org() and status = of_status and level = 0
                     and bucket >= (x >> 20) << 10 and bucket < x >> 10), 0)::bigint
       + (select count(*) from pins
          where org_id = current_org() and status = of_status and seq >= (x >> 10) << 10 and seq <= x)
$$;

-- Does a pin that a replace made keep this content? Its index can only be read as a bitmap, which the system else does without.
create function is_held(of_cid text) returns boolean language sql stable set enable_bitmapscan = on as $$
  select exists (select from pins where holds @> array[of_cid])
$$;

-- Does any pin want this content? One that was refused does not. Asked under its lock, by the system only.
create function is_wanted(of_cid text) returns boolean language sql stable as $$
  select exists (select from pins where cid = of_cid and error_code is null) or is_held(of_cid)
$$;

-- What a pin's status is, given its content's copies: a pinned one stays so while any copy is left.
create function fold_status(was text, replicas int, pinned bigint, pinning bigint, queued bigint, failed bigint)
returns text language sql immutable as $$
  select case
    when pinned >= replicas or (was = 'pinned' and pinned > 0) then 'pinned'
    when pinning > 0 then 'pinning'
    when queued > 0 then 'queued'
    when failed > 0 then 'failed'
    else 'queued' end
$$;

-- Locks contents in cid order, for an org's delete.
create function lock_contents(cids text[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform assert_scope();
  perform from contents c where c.cid = any (cids) order by c.cid for update;
end $$;

-- For an accept, after its org row: locks the contents (making them), wakes or makes the missing placements, and tells for
-- each content how many copies there are, how many stand, what to hint, and its size as far as known: {cid: {copies, pinned, pinning,
-- attempts, woken, size}}, without what never was before. `items`: {cid, replicas?, origins?, nodes}; `usual` is for those that say no replicas. Content for which too few
-- nodes are given has fewer copies than it should, and content that was there may have more: it is marked for the leader's repair.
create function want_contents(items jsonb, usual int) returns jsonb
language plpgsql security definer set search_path = public, pg_temp as $$
declare
  org uuid := current_org();
  at timestamptz;
  p record;
  number bigint;
  -- contents that were there: {cid: {pinned, pinning, attempts, woken, copies, nodes}}
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
      -- lost, given up, or on a node that nobody would choose now: it is left as it is, and is none of the copies
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
      -- its other pins read queued again, by the next fold
      if p.state = 'failed' then update contents c set folding = true where c.cid = p.cid; end if;
      h := h || jsonb_build_object('copies', (h ->> 'copies')::int + 1,
        'pinning', (h ->> 'pinning')::int + (p.state = 'pinning')::int);
      if p.state <> 'pinning' or p.origins then
        h := jsonb_set(h, '{woken}', (h -> 'woken') || jsonb_build_object('nodeId', p.node_id, 'generation', number, 'attempt', 1));
      end if;
    end if;
    had := had || jsonb_build_object(p.cid, jsonb_set(h, '{nodes}', (h -> 'nodes') || to_jsonb(p.node_id)));
  end loop;

  -- whoever chose the nodes may not know it yet
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
      'attempts', had -> c -> 'attempts', 'size', sizes -> c, 'copies', coalesce((had -> c ->> 'copies')::int, 0) + coalesce(jsonb_array_length(made -> c), 0),
      'woken', coalesce(had -> c -> 'woken', '[]') || coalesce(made -> c, '[]'))), '{}')
    from (select jsonb_object_keys(had) union select jsonb_object_keys(coalesce(made, '{}')) union select jsonb_object_keys(sizes)) k (c));
end $$;

-- How many placements of the current org wait on each node, counted to 257 at most: beyond 256 no more hints are published,
-- the node comes to them in turn.
create function org_backlog() returns table (node_id uuid, waiting bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select n.id, (select count(*) from (
      select from placements p
      where p.node_id = n.id and not p.retrying and p.org_id = current_org() and p.state = 'queued' limit 257) q)
  from nodes n where current_org() is not null
$$;

-- After a pin went or was refused: as many copies as the largest of the pins that are left wants; what is only held stays as it is. The contents are
-- locked. Copies that are too many now, the leader's repair takes away.
create function lower_wanted(cids text[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform assert_scope();
  update contents c set wanted = w.most, unsettled = true
  from (
    select x.cid, coalesce(
      (select p.replicas from pins p where p.cid = x.cid and p.replicas > 1 and p.error_code is null order by p.replicas desc limit 1),
      case when not exists (select from pins p where p.cid = x.cid and p.error_code is null) and is_wanted(x.cid)
        then x.wanted else 1 end) as most
    from unnest(cids) as u (cid)
    cross join lateral (select y.cid, y.wanted from contents y where y.cid = u.cid and y.wanted > 1 offset 0) x) w
  where c.cid = any (cids) and c.cid = w.cid and c.wanted > w.most;
end $$;

-- After a pin went or was refused: content that nobody wants any more. Unfinished work is aborted at once, what stands is unpinned after
-- the grace period. The contents are locked here, in cid order; the question is asked in a later statement. Returns what to hint.
create function release_contents(cids text[], grace_ms bigint)
returns table (cid text, node_id uuid, generation bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone text;
begin
  perform lock_contents(cids);
  perform lower_wanted(cids);
  for gone in select u from unnest(cids) u where not is_wanted(u) order by u loop
    -- never tried: nothing of it can be in Kubo
    delete from placements p where p.cid = gone and p.state = 'queued' and p.attempts = 0 and p.claimed_until is null and not p.verify;
    return query
    update placements p set state = 'unpinning', leaving = false, generation = nextval('placement_generation'), next_attempt_at = clock_timestamp()
    where p.cid = gone and p.state in ('queued', 'pinning', 'failed')
    returning p.cid, p.node_id, p.generation;
    if exists (select from placements p where p.cid = gone and p.state = 'pinned') then
      update contents c set unpin_after = clock_timestamp() + make_interval(secs => grace_ms / 1000.0) where c.cid = gone;
    elsif not exists (select from placements p where p.cid = gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;
end $$;

-- Accepts a batch of one org, in order, or replaces one pin by the one item. Ids are minted before: with `again`, an item that
-- is there already is answered from its row. Raises AN001 when created would run more than ten minutes ahead of the clock.
-- A replace of what is not there answers with no row. An item that says no replicas gets the org's, else `usual`; `copies` is how many
-- of them have a node so far. What a replaced pin kept is kept until the new one stands; but where bytes are limited it goes as with a
-- delete, since what no pin counts would else be kept for as long as the new one does not stand. An item beyond the org's limits is answered with what it is beyond, and changes nothing.
create function accept_pins(items jsonb, again boolean default false, replaces uuid default null, usual int default 1,
  grace_ms bigint default 0)
returns table (id uuid, created timestamptz, status text, replicas int, copies int, woken jsonb, refused jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  org uuid := current_org();
  base timestamptz;
  last bigint;
  n int;
  old record;
  limits record;
  beyond jsonb;
  wanted jsonb;
  ids uuid[];
  cids text[];
  createds timestamptz[];
  wants int[];
  -- rows of count_pins
  statuses text[];
  buckets bigint[];
  ns bigint[];
  -- bytes that the new pins count, and the replaced one did
  gained bigint;
  lost bigint := 0;
  total bigint;
begin
  select greatest(date_trunc('milliseconds', clock_timestamp()), o.last_created + interval '1 ms') as base, o.last_seq,
    least(coalesce(o.default_replicas, usual), o.max_replicas) as usual, o.max_pins, o.max_bytes, o.max_replicas
  into limits from orgs o where o.id = org for update;
  base := limits.base;
  last := limits.last_seq;
  usual := limits.usual;
  if base is null then raise exception 'no such org' using errcode = '42501'; end if;
  if base > clock_timestamp() + interval '10 minutes' then
    raise exception 'created runs ahead' using errcode = 'AN001';
  end if;

  if again then
    return query select p.id, p.created, p.status, p.replicas::int, null::int, null::jsonb, null::jsonb from jsonb_array_elements(items) i
    cross join lateral (select * from pins q where q.org_id = org and q.id = (i ->> 'id')::uuid for share) p;
    items := (select coalesce(jsonb_agg(i), '[]') from jsonb_array_elements(items) i
              where not exists (select from pins q where q.org_id = org and q.id = (i ->> 'id')::uuid));
    if items = '[]' then return; end if;
  end if;
  if replaces is not null then
    select p.cid, coalesce(p.holds, '{}') as holds, p.seq, p.meta into old from pins p where p.org_id = org and p.id = replaces;
    if not found then return; end if;
  end if;
  if limits.max_pins is not null or limits.max_bytes is not null or limits.max_replicas is not null then
    beyond := beyond_limits(items, usual, limits.max_pins, limits.max_bytes, limits.max_replicas, replaces);
    if beyond <> '{}' then
      return query select b.key::uuid, null::timestamptz, null, null::int, null::int, null::jsonb, b.value from jsonb_each(beyond) b;
      items := (select coalesce(jsonb_agg(i.item order by i.place), '[]') from jsonb_array_elements(items) with ordinality as i (item, place)
                where not beyond ? (i.item ->> 'id'));
      if items = '[]' then return; end if;
    end if;
  end if;

  if replaces is not null and limits.max_bytes is not null then
    perform lock_contents(old.holds || array[old.cid, items -> 0 ->> 'cid']);
  end if;
  wanted := want_contents(items, usual);
  n := jsonb_array_length(items);
  with made as (
    insert into pins as p (org_id, id, seq, cid, cid_text, name, name_folded, meta, origins, replicas, status, attempts_before,
      counted_bytes, created, accepted_at)
    select org, i.id, last + i.place, i.cid, i."cidText", i.name, i.folded, i.meta, i.origins, w.replicas,
      fold_status('queued', w.replicas, coalesce((w.w ->> 'pinned')::bigint, 0), coalesce((w.w ->> 'pinning')::bigint, 0), 1, 0),
      coalesce((w.w ->> 'attempts')::int, 0), coalesce((w.w ->> 'size')::bigint, 0), base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
    from rows from (jsonb_to_recordset(items) as (id uuid, cid text, "cidText" text, name text, folded text, meta jsonb,
      origins text[], replicas int)) with ordinality as i (id, cid, "cidText", name, folded, meta, origins, replicas, place)
    cross join lateral (select wanted -> i.cid as w, coalesce(i.replicas, usual) as replicas) w
    returning p.id, p.seq, p.cid, p.created, p.status, p.replicas, p.counted_bytes
  )
  select array_agg(m.id), array_agg(m.cid), array_agg(m.created), array_agg(m.status), array_agg(m.seq >> 10), array_agg(1::bigint), array_agg(m.replicas),
    sum(m.counted_bytes)
  into ids, cids, createds, statuses, buckets, ns, wants, gained from made m;
  return query select u.id, u.created, u.status, u.replicas, (wanted -> u.cid ->> 'copies')::int, wanted -> u.cid -> 'woken', null::jsonb
  from unnest(ids, cids, createds, statuses, wants) as u (id, cid, created, status, replicas);

  insert into pin_meta (org_id, key, value, seq)
  select org, meta_key(m.key), meta_key(m.value), last + i.place
  from rows from (jsonb_to_recordset(items) as (meta jsonb)) with ordinality as i (meta, place), jsonb_each_text(i.meta) m
  where i.meta is not null;
  insert into audit_log (id, org_id, actor, action, target, details)
  select i."auditId", org, i.actor, case when replaces is null then 'pin.create' else 'pin.replace' end, i."publicId", i.audit
  from jsonb_to_recordset(items) as i ("auditId" uuid, actor text, "publicId" text, audit jsonb);

  if replaces is not null then
    if limits.max_bytes is null then
      update pins p set holds = nullif(array_remove(array_append(old.holds, old.cid), p.cid), '{}') where p.org_id = org and p.id = ids[1];
    end if;
    if old.meta is not null then perform forget_meta(org, old.meta, old.seq); end if;
    -- locked only now: a finish may have moved it on since it was read
    delete from pins p where p.org_id = org and p.id = replaces returning statuses || p.status, p.counted_bytes into statuses, lost;
    if old.cid = cids[1] then perform lower_wanted(cids); end if;
    buckets := buckets || (old.seq >> 10);
    ns := ns || -1::bigint;
  end if;
  if gained <> lost then
    select c.total into total from count_bytes(array[org], array[lost], array[gained]) c;
    -- a size came to be known, or work ended, since the limits were looked at: once more
    if gained > lost and total > limits.max_bytes then raise exception 'the org has more by now' using errcode = '40001'; end if;
  end if;
  perform count_pins(array_fill(org, array[cardinality(ns)]), statuses, buckets, ns);
  if replaces is not null and limits.max_bytes is not null then
    perform release_contents(array_remove(array_append(old.holds, old.cid), cids[1]), grace_ms);
  end if;
  update orgs o set last_created = base + make_interval(secs => (n - 1) / 1000.0), last_seq = last + n where o.id = org;
end $$;

-- Removes one pin of the current org, whatever its state. `found` is false when there is none; `woken` are placements to look at.
create function remove_pin(pin uuid, grace_ms bigint, audit_id uuid, actor text, public_id text)
returns table (found boolean, woken jsonb)
language plpgsql as $$
declare
  org uuid := current_org();
  gone text[];
  at_seq bigint;
  was text;
  lost bigint;
  old_meta jsonb;
begin
  perform from orgs o where o.id = org for update;
  select array_append(coalesce(p.holds, '{}'), p.cid), p.seq, p.meta into gone, at_seq, old_meta
  from pins p where p.org_id = org and p.id = pin;
  if gone is null then
    return query select false, null::jsonb;
    return;
  end if;
  perform lock_contents(gone);
  delete from pins p where p.org_id = org and p.id = pin returning p.status, p.counted_bytes into was, lost;
  if old_meta is not null then perform forget_meta(org, old_meta, at_seq); end if;
  if lost <> 0 then perform count_bytes(array[org], array[lost], array[0::bigint]); end if;
  perform count_pins(array[org], array[was], array[at_seq >> 10], array[-1::bigint]);
  insert into audit_log (id, org_id, actor, action, target) values (audit_id, org, actor, 'pin.delete', public_id);
  return query
  select true, (select jsonb_agg(jsonb_build_object('cid', r.cid, 'nodeId', r.node_id, 'generation', r.generation))
                from release_contents(gone, grace_ms) r);
end $$;

-- What an org may know of the contents of its own pins: one row a placement (or one without, where there is none).
create function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes
  from contents c left join lateral (select * from placements q where q.cid = c.cid offset 0) p on true
  where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org())
$$;

-- One plan fits every call of these; planning each statement anew cost more than running it.
alter function accept_pins(jsonb, boolean, uuid, int, bigint) set plan_cache_mode = force_generic_plan;
alter function remove_pin(uuid, bigint, uuid, text, text) set plan_cache_mode = force_generic_plan;

-- Of these functions nothing is open to everybody; an org's requests get what they call, and no more.
do $$
declare
  f regprocedure;
begin
  for f in select p.oid::regprocedure from pg_proc p
           where p.pronamespace = 'public'::regnamespace and p.proowner = (select oid from pg_roles where rolname = current_user) loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
  foreach f in array array['current_org()', 'want_contents(jsonb, int)', 'org_backlog()', 'release_contents(text[], bigint)',
                           'lower_wanted(text[])', 'lock_contents(text[])', 'pin_details(text[])', 'meta_key(text)',
                           'accept_pins(jsonb, boolean, uuid, int, bigint)', 'remove_pin(uuid, bigint, uuid, text, text)', 'count_pins(uuid[], text[], bigint[], bigint[])',
                           'count_to(text, bigint)', 'forget_meta(uuid, jsonb, bigint)', 'fold_status(text, int, bigint, bigint, bigint, bigint)']::regprocedure[] loop
    execute format('grant execute on function %s to anchorage_tenant', f);
  end loop;
  foreach f in array array['want_contents(jsonb, int)', 'org_backlog()', 'release_contents(text[], bigint)', 'lower_wanted(text[])',
                           'lock_contents(text[])', 'pin_details(text[])']::regprocedure[] loop
    execute format('alter function %s owner to anchorage_system', f);
  end loop;
end $$;
