-- min_code: 1
-- The transactions that must be one round trip, in SQL. Functions that cross from an org to shared content are
-- security definer, owned by anchorage_system, with a fixed search_path; an org may call no other.

-- What pin_meta keeps of a key or value: itself when short, its digest when too long for an index.
create function meta_key(t text) returns text language sql immutable strict as $$
  select case when octet_length(t) > 512 then '#' || encode(sha256(convert_to(t, 'UTF8')), 'hex') else '=' || t end
$$;

-- Counts: adds n pins of a status at a seq, given as rows {org_id, status, seq, n}; locks in key order.
create function count_pins(deltas jsonb) returns void language sql as $$
  insert into pin_counts as c (org_id, status, level, bucket, n)
  select d.org_id, d.status, l.level, d.seq >> l.bits, sum(d.n)
  from jsonb_to_recordset(deltas) as d (org_id uuid, status text, seq bigint, n bigint)
  cross join (values (0::smallint, 10), (1::smallint, 20)) as l (level, bits)
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

-- Does any pin want this content? Asked under its lock, by the system only.
create function is_wanted(of_cid text) returns boolean language sql stable as $$
  select exists (select from pins where cid = of_cid) or exists (select from pins where holds @> array[of_cid])
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

-- Brings the pins of these contents in line with their placements; the contents are locked. At most `most` pins: what is
-- over is marked on the content and goes on in a later transaction.
create function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
declare
  moved jsonb;
  changed int;
begin
  with copies as (
    select cid,
      count(*) filter (where state = 'pinned') as pinned,
      count(*) filter (where state = 'pinning') as pinning,
      count(*) filter (where state = 'queued') as queued,
      count(*) filter (where state = 'failed') as failed
    from placements where cid = any (cids) group by cid
  ), due as (
    select p.org_id, p.id, p.status as was, f.status as becomes
    from pins p left join copies c using (cid)
    cross join lateral (select fold_status(p.status, p.replicas, coalesce(c.pinned, 0), coalesce(c.pinning, 0),
      coalesce(c.queued, 0), coalesce(c.failed, 0)) as status) f
    where p.cid = any (cids) and p.error_code is null and p.status <> f.status
    limit most
  ), done as (
    update pins p set status = due.becomes from due
    where p.org_id = due.org_id and p.id = due.id
    returning p.org_id, p.seq, due.was, due.becomes
  )
  select count(*), jsonb_agg(jsonb_build_object('org_id', d.org_id, 'seq', d.seq, 'status', x.status, 'n', x.n))
  into changed, moved
  from done d cross join lateral (values (d.was, -1), (d.becomes, 1)) as x (status, n);
  if moved is not null then perform count_pins(moved); end if;
  -- each changed pin gave two rows
  update contents set folding = changed >= 2 * most where cid = any (cids) and folding <> (changed >= 2 * most);
end $$;

-- For an accept, after its org row: locks the contents (making them), wakes or makes the missing placements, and tells for
-- each content how many copies stand and what to hint.
create function want_contents(items jsonb)
returns table (cid text, pinned bigint, pinning bigint, attempts bigint, woken jsonb)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  org uuid := current_org();
  at timestamptz;
begin
  if org is null then raise exception 'no org is set' using errcode = '42501'; end if;
  insert into contents as c (cid, wanted)
  select i.cid, max(i.replicas) from jsonb_to_recordset(items) as i (cid text, replicas smallint)
  group by i.cid order by i.cid
  on conflict (cid) do update set unpin_after = null, wanted = greatest(c.wanted, excluded.wanted);
  at := clock_timestamp();

  return query
  with asked as (
    select distinct on (i.cid) i.cid, i.replicas, i.nodes,
      bool_or(i.origins is not null) over (partition by i.cid) as origins
    from jsonb_to_recordset(items) as i (cid text, replicas int, origins jsonb, nodes uuid[])
    order by i.cid, i.replicas desc
  ), standing as (
    select p.cid, p.node_id, p.state, p.generation, p.attempts, p.attempts_before,
      p.state in ('failed', 'unpinning') and (p.state = 'failed' or p.node_id = any (a.nodes)) as revives, a.origins
    from asked a join placements p using (cid)
    order by p.cid, p.node_id for update of p
  ), woke as (
    update placements p set
      state = case when s.revives then 'queued' else p.state end,
      generation = case when s.revives then nextval('placement_generation') else p.generation end,
      verify = p.verify or p.state = 'unpinning',
      attempts_before = p.attempts, retrying = false, crashes = 0,
      wanted_since = at, next_attempt_at = least(p.next_attempt_at, at)
    from standing s
    where p.cid = s.cid and p.node_id = s.node_id and (s.revives or s.state in ('queued', 'pinning'))
    returning p.cid, p.node_id, p.generation, p.attempts, p.state, s.state as was, s.origins
  ), made as (
    insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
    select a.cid, n.node_id, nextval('placement_generation'), 'queued', 'new', org, at, at
    from asked a
    cross join lateral (
      select u.node_id from unnest(a.nodes) with ordinality as u (node_id, place)
      where not exists (select from standing s where s.cid = a.cid and s.node_id = u.node_id)
      order by u.place
      limit greatest(0, a.replicas - (select count(*) from standing s
                                      where s.cid = a.cid and (s.revives or s.state <> 'unpinning')))
    ) n
    order by a.cid, n.node_id
    returning p.cid, p.node_id, p.generation, p.attempts
  ), refold as (
    -- the other pins of content that had failed read queued again, by the next fold
    update contents c set folding = true from woke w where c.cid = w.cid and w.was = 'failed'
  ), hints as (
    select w.cid, w.node_id, w.generation, w.attempts from woke w where w.state = 'queued' or w.origins
    union all select m.cid, m.node_id, m.generation, m.attempts from made m
  )
  select a.cid,
    (select count(*) from standing s where s.cid = a.cid and s.state = 'pinned'),
    (select count(*) from standing s where s.cid = a.cid and s.state = 'pinning'),
    coalesce((select sum(s.attempts) from standing s where s.cid = a.cid), 0)::bigint,
    (select jsonb_agg(jsonb_build_object('nodeId', h.node_id, 'generation', h.generation, 'attempt', h.attempts + 1))
     from hints h where h.cid = a.cid)
  from asked a;
end $$;

-- How many placements of the current org wait on each node, counted to 257 at most: beyond 256 no more hints are published,
-- the node comes to them in turn.
create function org_backlog() returns table (node_id uuid, waiting bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select n.id, (select count(*) from (
      select from placements p
      where p.node_id = n.id and not p.retrying and p.org_id = current_org() and p.state = 'queued' limit 257) q)
  from nodes n
$$;

-- After a pin went: content that nobody wants any more. Unfinished work is aborted at once, what stands is unpinned after
-- the grace period. The contents are locked here, in cid order; EXISTS is asked in a later statement. Returns what to hint.
create function release_contents(cids text[], grace_ms bigint)
returns table (cid text, node_id uuid, generation bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone text[];
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  select array_agg(u.cid) into gone from unnest(cids) as u (cid) where not is_wanted(u.cid);
  if gone is null then return; end if;
  -- never tried: nothing of it can be in Kubo
  delete from placements p where p.cid = any (gone) and p.state = 'queued' and p.attempts = 0 and p.claimed_until is null;
  return query
  update placements p set state = 'unpinning', generation = nextval('placement_generation'), next_attempt_at = clock_timestamp()
  where p.cid = any (gone) and p.state in ('queued', 'pinning', 'failed')
  returning p.cid, p.node_id, p.generation;
  update contents c set unpin_after = clock_timestamp() + make_interval(secs => grace_ms / 1000.0)
  where c.cid = any (gone) and exists (select from placements p where p.cid = c.cid and p.state = 'pinned');
  delete from contents c where c.cid = any (gone) and not exists (select from placements p where p.cid = c.cid);
end $$;

-- Accepts a batch of one org, in order, or replaces one pin by the one item. Ids are minted before: an item that is there
-- already is answered from its row. Raises AN001 when created would run more than ten minutes ahead of the clock.
create function accept_pins(items jsonb, replaces uuid default null)
returns table (id uuid, created timestamptz, status text, attempts_before bigint, woken jsonb)
language plpgsql as $$
#variable_conflict use_column
declare
  org uuid := current_org();
  base timestamptz;
  seq0 bigint;
  fresh jsonb;
  old_cid text;
  old_holds text[];
  old_status text;
  old_seq bigint;
  old_meta jsonb;
  deltas jsonb;
  wanted jsonb;
  n int;
begin
  select greatest(date_trunc('milliseconds', clock_timestamp()), o.last_created + interval '1 ms'), o.last_seq
  into base, seq0 from orgs o where o.id = org for update;
  if not found then raise exception 'no such org' using errcode = '42501'; end if;

  select jsonb_agg(i.item order by i.place) into fresh
  from jsonb_array_elements(items) with ordinality as i (item, place)
  where not exists (select from pins p where p.org_id = org and p.id = (i.item ->> 'id')::uuid);

  if fresh is not null then
    n := jsonb_array_length(fresh);
    if base + make_interval(secs => n / 1000.0) > clock_timestamp() + interval '10 minutes' then
      raise exception 'created runs ahead' using errcode = 'AN001';
    end if;
    if replaces is not null then
      select p.cid, coalesce(p.holds, '{}'), p.status, p.seq, p.meta into old_cid, old_holds, old_status, old_seq, old_meta
      from pins p where p.org_id = org and p.id = replaces;
      if not found then return; end if;
    end if;

    select jsonb_object_agg(w.cid, jsonb_build_object('pinned', w.pinned, 'pinning', w.pinning, 'attempts', w.attempts, 'woken', w.woken))
    into wanted from want_contents(fresh) w;

    with item as (
      select i.*, x.place, fold_status('queued', i.replicas, (w ->> 'pinned')::bigint, (w ->> 'pinning')::bigint, 1, 0) as status,
        (w ->> 'attempts')::int as attempts
      from jsonb_array_elements(fresh) with ordinality as x (item, place)
      cross join lateral jsonb_to_record(x.item) as i
        (id uuid, cid text, "cidText" text, name text, folded text, meta jsonb, origins text[], replicas smallint)
      cross join lateral (select wanted -> i.cid as w) w
    ), made as (
      insert into pins (org_id, id, seq, cid, cid_text, name, name_folded, meta, origins, replicas, holds, status,
        attempts_before, created, accepted_at)
      select org, i.id, seq0 + i.place, i.cid, i."cidText", i.name, i.folded, i.meta, i.origins, i.replicas,
        case when replaces is not null then
          nullif(array(select distinct h from unnest(array_append(old_holds, old_cid)) h where h <> i.cid), '{}') end,
        i.status, i.attempts, base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
      from item i
      returning pins.seq, pins.status
    )
    select jsonb_agg(jsonb_build_object('org_id', org, 'status', m.status, 'seq', m.seq, 'n', 1)) into deltas from made m;

    insert into pin_meta (org_id, key, value, seq, pin_id)
    select org, meta_key(m.key), meta_key(m.value), seq0 + x.place, (x.item ->> 'id')::uuid
    from jsonb_array_elements(fresh) with ordinality as x (item, place)
    cross join lateral jsonb_each_text(x.item -> 'meta') as m
    where x.item ? 'meta';

    if replaces is not null then
      delete from pin_meta m using jsonb_each_text(old_meta) k
      where m.org_id = org and m.key = meta_key(k.key) and m.value = meta_key(k.value) and m.seq = old_seq;
      -- locked only now: a finish may have moved it on since it was read
      delete from pins p where p.org_id = org and p.id = replaces returning p.status into old_status;
      deltas := deltas || jsonb_build_object('org_id', org, 'status', old_status, 'seq', old_seq, 'n', -1);
    end if;
    perform count_pins(deltas);

    insert into audit_log (id, org_id, actor, action, target, details)
    select (i ->> 'auditId')::uuid, org, i ->> 'actor', case when replaces is null then 'pin.create' else 'pin.replace' end,
      i ->> 'publicId', i -> 'audit'
    from jsonb_array_elements(fresh) as i;

    update orgs set last_created = base + make_interval(secs => (n - 1) / 1000.0), last_seq = seq0 + n where orgs.id = org;
  end if;

  return query
  select p.id, p.created, p.status, p.attempts_before::bigint, wanted -> (i.item ->> 'cid') -> 'woken'
  from jsonb_array_elements(items) with ordinality as i (item, place)
  join pins p on p.org_id = org and p.id = (i.item ->> 'id')::uuid
  order by i.place;
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
  old_meta jsonb;
begin
  perform from orgs o where o.id = org for update;
  select array_append(coalesce(p.holds, '{}'), p.cid), p.seq, p.meta into gone, at_seq, old_meta
  from pins p where p.org_id = org and p.id = pin;
  if not found then
    return query select false, null::jsonb;
    return;
  end if;
  perform lock_contents(gone);
  delete from pins p where p.org_id = org and p.id = pin returning p.status into was;
  delete from pin_meta m using jsonb_each_text(old_meta) k
  where m.org_id = org and m.key = meta_key(k.key) and m.value = meta_key(k.value) and m.seq = at_seq;
  perform count_pins(jsonb_build_array(jsonb_build_object('org_id', org, 'status', was, 'seq', at_seq, 'n', -1)));
  insert into audit_log (id, org_id, actor, action, target) values (audit_id, org, actor, 'pin.delete', public_id);
  return query
  select true, (select jsonb_agg(jsonb_build_object('cid', r.cid, 'nodeId', r.node_id, 'generation', r.generation))
                from release_contents(gone, grace_ms) r);
end $$;

-- Locks contents in cid order, for an org's delete.
create function lock_contents(cids text[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
end $$;

-- What an org may know of the contents of its own pins: one row a placement (or one without, where there is none).
create function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes
  from contents c left join placements p using (cid)
  where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org())
$$;

-- ---------------------------------------------------------------- a node's work (the system's)

-- Claims what may be claimed now. A claim ends by finish, by time, or with the incarnation that made it.
create function claim_placements(node uuid, boot bigint, lease_ms bigint, jobs jsonb)
returns table (cid text, generation bigint, state text, attempt int, origins text[], holders text[], verify boolean,
  age_ms bigint, foreign_pin boolean)
language plpgsql as $$
#variable_conflict use_column
declare
  at timestamptz := clock_timestamp();
begin
  return query
  with free as (
    select p.cid from placements p
    join jsonb_to_recordset(jobs) as j (cid text, generation bigint) on j.cid = p.cid and j.generation = p.generation
    where p.node_id = node and p.state in ('queued', 'unpinning') and p.next_attempt_at <= at
      and (p.claimed_until is null or p.claimed_until < at or p.claimed_by <> boot)
    order by p.cid for update of p
  ), taken as (
    update placements p set
      state = case p.state when 'queued' then 'pinning' else p.state end,
      attempts = p.attempts + case p.state when 'queued' then 1 else 0 end,
      -- a claim that is void or ran out may have left work behind in Kubo
      verify = p.verify or p.claimed_until is not null,
      claimed_until = at + make_interval(secs => lease_ms / 1000.0), claimed_by = boot, claimed_generation = p.generation,
      blocks = 0, bytes = 0
    from free where p.node_id = node and p.cid = free.cid
    returning p.*
  )
  select t.cid, t.generation, t.state, t.attempts - t.attempts_before,
    array(select distinct o from pins, unnest(pins.origins) o where pins.cid = t.cid and pins.origins is not null limit 60),
    array(select a from placements h join nodes n on n.id = h.node_id, unnest(n.multiaddrs) a
          where h.cid = t.cid and h.state = 'pinned' and h.node_id <> node limit 60),
    t.verify, (extract(epoch from at - t.wanted_since) * 1000)::bigint, t.foreign_pin
  from taken t;
end $$;

-- Extends claims and notes progress. Returns the contents whose intent changed since they were claimed.
create function extend_claims(node uuid, boot bigint, lease_ms bigint, under jsonb) returns setof text language sql as $$
  with u as (
    select j.* from jsonb_to_recordset(under) as j (cid text, generation bigint, blocks bigint, bytes bigint)
  ), kept as (
    update placements p set claimed_until = clock_timestamp() + make_interval(secs => lease_ms / 1000.0),
      blocks = u.blocks, bytes = u.bytes
    from u
    where p.node_id = node and p.cid = u.cid and p.claimed_by = boot and p.claimed_generation = u.generation
      and p.generation = u.generation
    returning p.cid
  )
  select u.cid from u where not exists (select from kept k where k.cid = u.cid)
$$;

-- Records how attempts ended and folds the pins of those contents. Another generation than the claimed one changes nothing but
-- ends the claim; what waits behind it is returned, to be looked at now.
create function finish_placements(node uuid, boot bigint, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
  at timestamptz;
begin
  select array_agg(f.cid) into cids from jsonb_to_recordset(finishes) as f (cid text);
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform from placements p where p.node_id = node and p.cid = any (cids) order by p.cid for update;
  at := clock_timestamp();

  return query
  with f as (
    select f.*, p.generation = f.generation as matches
    from jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text, "errorCode" text, error text, "delayMs" bigint,
      blocks bigint, bytes bigint, "foreignPin" boolean)
    join placements p on p.node_id = node and p.cid = f.cid and p.claimed_by = boot and p.claimed_generation = f.generation
  ), gone as (
    delete from placements p using f where p.node_id = node and p.cid = f.cid and f.matches and f.kind = 'unpinned'
  ), ended as (
    update placements p set
      state = case when not f.matches then p.state
        when f.kind = 'pinned' then 'pinned' when f.kind = 'failed' then 'failed'
        when p.state = 'pinning' then 'queued' else p.state end,
      attempts = p.attempts - case when f.matches and f.kind = 'released' and p.state = 'pinning' then 1 else 0 end,
      retrying = case when f.matches then f.kind = 'retry' or (f.kind = 'released' and p.retrying) else p.retrying end,
      crashes = 0,
      verify = case when f.matches and f.kind = 'pinned' then false else p.verify or not f.matches or f.kind = 'released' end,
      next_attempt_at = case when f.matches and f.kind = 'retry' then at + make_interval(secs => f."delayMs" / 1000.0)
        when f.matches and f.kind = 'released' then at else p.next_attempt_at end,
      error_code = case when not f.matches or f.kind = 'released' then p.error_code else f."errorCode" end,
      error = case when not f.matches or f.kind = 'released' then p.error else f.error end,
      blocks = coalesce(f.blocks, p.blocks), bytes = coalesce(f.bytes, p.bytes),
      foreign_pin = coalesce(f."foreignPin", p.foreign_pin),
      claimed_until = null, claimed_by = null, claimed_generation = null
    from f where p.node_id = node and p.cid = f.cid and not (f.matches and f.kind = 'unpinned')
    returning p.cid, p.generation, p.state, p.attempts - p.attempts_before as attempts, p.org_id, f.matches, f.kind, f.blocks, f.bytes
  ), sized as (
    update contents c set dag_size = e.bytes, block_count = e.blocks from ended e
    where c.cid = e.cid and e.matches and e.kind = 'pinned'
  )
  select e.cid, e.generation, e.attempts + 1, e.org_id from ended e
  where e.state in ('queued', 'unpinning') and not (e.matches and e.kind in ('retry', 'released'));

  delete from contents c where c.cid = any (cids) and not exists (select from placements p where p.cid = c.cid)
    and not is_wanted(c.cid);
  perform fold_contents(cids);
end $$;

-- Pins of these contents that still read queued while their work is under way: claims do not touch pins, so that content that
-- is pinned in a moment costs one change of status and not two.
create function show_pinning(cids text[]) returns void language plpgsql as $$
begin
  select array_agg(distinct p.cid) into cids from pins p where p.cid = any (cids) and p.status in ('queued', 'failed');
  if cids is null then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform fold_contents(cids);
end $$;

-- Placements of a node to be unpinned now.
create function due_unpins(node uuid, most int)
returns table (cid text, generation bigint, attempt int, org_id uuid, state text) language sql stable as $$
  select p.cid, p.generation, 1, p.org_id, p.state from placements p
  where p.node_id = node and p.state = 'unpinning' and p.next_attempt_at <= clock_timestamp()
    and (p.claimed_until is null or p.claimed_until < clock_timestamp())
  order by p.next_attempt_at limit most
$$;

-- Placements of a node to be tried now, orgs in turn from a given one on (and round), at most `per_org` of each.
create function due_pins(node uuid, again boolean, from_org uuid, per_org int, most int)
returns table (cid text, generation bigint, attempt int, org_id uuid, state text) language sql stable as $$
  with recursive waiting (org_id, n) as (
    (select p.org_id, 1 from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id >= from_org order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id
            order by p.org_id limit 1), n + 1
    from waiting w where w.org_id is not null and n < 256
  ), wrapped (org_id, n) as (
    (select p.org_id, 1 from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id < from_org order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id and p.org_id < from_org
            order by p.org_id limit 1), n + 1
    from wrapped w where w.org_id is not null and n < 256
  )
  select d.cid, d.generation, d.attempts - d.attempts_before + 1, d.org_id, d.state
  from (select org_id from waiting where org_id is not null union all select org_id from wrapped where org_id is not null) o
  cross join lateral (
    select p.*, row_number() over (order by p.next_attempt_at) as turn from placements p
    where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id = o.org_id
      and p.next_attempt_at <= clock_timestamp() and (p.claimed_until is null or p.claimed_until < clock_timestamp())
    order by p.next_attempt_at limit per_org) d
  order by d.turn limit most
$$;

-- Claims that ended by neither finish nor release, of the given contents: queued again, or failed after five in a row.
create function requeue_crashed(cids text[])
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  return query
  with over as (
    select p.cid, p.node_id from placements p join nodes n on n.id = p.node_id
    where p.cid = any (cids) and p.state = 'pinning'
      and (p.claimed_until < clock_timestamp() or p.claimed_by < n.incarnation)
    order by p.cid, p.node_id for update of p
  )
  update placements p set
    state = case when p.crashes >= 4 then 'failed' else 'queued' end,
    crashes = p.crashes + 1, verify = true, retrying = p.crashes >= 1,
    error_code = 'crashed', error = 'the node stopped in the middle of pinning this',
    next_attempt_at = clock_timestamp(), claimed_until = null, claimed_by = null, claimed_generation = null
  from over where p.cid = over.cid and p.node_id = over.node_id
  returning p.cid, p.node_id, p.generation, p.attempts - p.attempts_before + 1, p.org_id;
  perform fold_contents(cids);
end $$;

-- At a node's boot: claims of its earlier incarnations are void. Returns how many there were, at most `most`.
create function void_claims(node uuid, boot bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  select array_agg(q.cid) into cids from (
    select p.cid from placements p
    where p.node_id = node and p.state = 'pinning' and p.claimed_by < boot limit most) q;
  if cids is null then return 0; end if;
  perform requeue_crashed(cids);
  return cardinality(cids);
end $$;

-- ---------------------------------------------------------------- the leader's work: every write finds its own epoch

-- Held to the end of the transaction; raises AN002 when another leader has been elected since.
create function assert_epoch(of_leader bigint) returns void language plpgsql as $$
begin
  perform from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
end $$;

-- Claims whose time ran out, or whose incarnation is over.
create function requeue_expired(of_leader bigint, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
begin
  perform assert_epoch(of_leader);
  select array_agg(distinct q.cid) into cids from (
    select p.cid from placements p join nodes n on n.id = p.node_id
    where p.state = 'pinning' and (p.claimed_until < clock_timestamp() or p.claimed_by < n.incarnation) limit most) q;
  if cids is not null then return query select * from requeue_crashed(cids); end if;
end $$;

-- Contents whose time to be unpinned has come and that still nobody wants: their placements are to be unpinned.
create function release_due(of_leader bigint, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  due text[];
begin
  perform assert_epoch(of_leader);
  select array_agg(q.cid) into due from (
    select c.cid from contents c where c.unpin_after <= clock_timestamp() order by c.cid limit most for update skip locked) q;
  if due is null then return; end if;
  update contents c set unpin_after = null where c.cid = any (due);
  return query
  update placements p set state = 'unpinning', generation = nextval('placement_generation'), next_attempt_at = clock_timestamp()
  where p.cid = any (due) and p.state <> 'unpinning' and not is_wanted(p.cid)
  returning p.cid, p.node_id, p.generation, 1, null::uuid;
  delete from contents c where c.cid = any (due) and not exists (select from placements p where p.cid = c.cid)
    and not is_wanted(c.cid);
end $$;

-- Pins that stand let go of what a replace made them hold. Returns how many pins were done.
create function release_holds(of_leader bigint, most int, grace_ms bigint) returns int language plpgsql as $$
declare
  picked uuid[];
  held text[];
begin
  perform assert_epoch(of_leader);
  select array_agg(q.id), array_agg(distinct h) into picked, held
  from (select id, holds from pins where holds is not null and status = 'pinned' order by org_id, id limit most) q, unnest(q.holds) h;
  if picked is null then return 0; end if;
  perform from contents c where c.cid = any (held) order by c.cid for update;
  -- read again under the locks; what was added since waits for the next round
  update pins set holds = null where id = any (picked) and status = 'pinned' and holds <@ held;
  perform release_contents(held, grace_ms);
  return cardinality(picked);
end $$;

-- Folds that stopped at their limit go on.
create function continue_folds(of_leader bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  perform assert_epoch(of_leader);
  select array_agg(q.cid) into cids from (
    select cid from contents where folding order by cid limit 10 for update skip locked) q;
  if cids is null then return 0; end if;
  perform fold_contents(cids, most);
  return most;
end $$;

-- ---------------------------------------------------------------- the reconciler's findings about its node, under the contents locks

-- Pinned by the book and missing in Kubo: queued again.
create function requeue_missing(node uuid, cids text[])
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  return query
  update placements p set state = 'queued', generation = nextval('placement_generation'), reason = 'repair', verify = true,
    attempts_before = p.attempts, retrying = false, wanted_since = clock_timestamp(), next_attempt_at = clock_timestamp()
  where p.node_id = node and p.cid = any (cids) and p.state = 'pinned'
  returning p.cid, p.node_id, p.generation, 1, p.org_id;
  perform fold_contents(cids);
end $$;

-- In Kubo under our name, and no placement says so: one is written that says to unpin it.
create function drop_unwanted(node uuid, cids text[])
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  insert into contents as c (cid, wanted) select u, 1 from unnest(cids) u order by u
  on conflict (cid) do update set wanted = c.wanted;
  return query
  insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
  select u, node, nextval('placement_generation'), 'unpinning', 'repair', '00000000-0000-0000-0000-000000000000',
    clock_timestamp(), clock_timestamp()
  from unnest(cids) u where not exists (select from placements q where q.cid = u and q.node_id = node)
  returning p.cid, p.node_id, p.generation, 1, null::uuid;
end $$;

-- ---------------------------------------------------------------- who may call what

do $$
declare
  f regprocedure;
begin
  -- of this database's own functions nothing is open to everybody
  for f in select p.oid::regprocedure from pg_proc p
           where p.pronamespace = 'public'::regnamespace and p.proowner = (select oid from pg_roles where rolname = current_user) loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
  foreach f in array array['current_org()', 'want_contents(jsonb)', 'org_backlog()', 'release_contents(text[], bigint)',
                           'lock_contents(text[])', 'pin_details(text[])', 'accept_pins(jsonb, uuid)', 'meta_key(text)',
                           'remove_pin(uuid, bigint, uuid, text, text)', 'count_pins(jsonb)', 'count_to(text, bigint)',
                           'fold_status(text, int, bigint, bigint, bigint, bigint)']::regprocedure[] loop
    execute format('grant execute on function %s to anchorage_tenant', f);
  end loop;
  foreach f in array array['want_contents(jsonb)', 'org_backlog()', 'release_contents(text[], bigint)', 'lock_contents(text[])',
                           'pin_details(text[])']::regprocedure[] loop
    execute format('alter function %s owner to anchorage_system', f);
  end loop;
end $$;
