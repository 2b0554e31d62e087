-- min_code: 1
-- What a node does with its placements: claim, extend, finish; and the reconciler's findings. All as the system.

-- Brings the pins of these contents in line with their placements; the contents are locked. At most `most` pins: what is
-- over is marked on the content and goes on in a later transaction.
create function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
declare
  at_cid text;
  copies record;
  p record;
  changed int := 0;
  orgs uuid[] := '{}';
  statuses text[] := '{}';
  buckets bigint[] := '{}';
  ns bigint[] := '{}';
begin
  foreach at_cid in array cids loop
    select count(*) filter (where state = 'pinned') as pinned, count(*) filter (where state = 'pinning') as pinning,
      count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'failed') as failed
    into copies from placements where cid = at_cid;
    for p in
      select q.org_id, q.id, q.seq, q.status, f.becomes from pins q cross join lateral
        (select fold_status(q.status, q.replicas, copies.pinned, copies.pinning, copies.queued, copies.failed) as becomes) f
      where q.cid = at_cid and q.error_code is null and q.status <> f.becomes
      limit most - changed for update of q
    loop
      update pins q set status = p.becomes where q.org_id = p.org_id and q.id = p.id;
      changed := changed + 1;
      orgs := orgs || p.org_id || p.org_id;
      statuses := statuses || p.status || p.becomes;
      buckets := buckets || (p.seq >> 10) || (p.seq >> 10);
      ns := ns || -1::bigint || 1::bigint;
    end loop;
    update contents c set folding = changed >= most where c.cid = at_cid and c.folding <> (changed >= most);
  end loop;
  if changed > 0 then perform count_pins(orgs, statuses, buckets, ns); end if;
end $$;

-- Claims what may be claimed now. A claim ends by finish, by time, or with the incarnation that made it.
create function claim_placements(node uuid, boot bigint, lease_ms bigint, jobs jsonb)
returns table (cid text, generation bigint, state text, attempt int, origins text[], holders text[], verify boolean,
  age_ms bigint, foreign_pin boolean)
language plpgsql as $$
#variable_conflict use_column
declare
  at timestamptz := clock_timestamp();
  job record;
  p record;
begin
  for job in select j.cid, j.generation from jsonb_to_recordset(jobs) as j (cid text, generation bigint) order by j.cid loop
    update placements q set
      state = case q.state when 'queued' then 'pinning' else q.state end,
      attempts = q.attempts + case q.state when 'queued' then 1 else 0 end,
      -- a claim that is void or ran out may have left work behind in Kubo
      verify = q.verify or q.claimed_until is not null,
      claimed_until = at + make_interval(secs => lease_ms / 1000.0), claimed_by = boot, claimed_generation = q.generation,
      -- the time of the claim: a wake that comes later is told by its wanted_since
      next_attempt_at = at, blocks = 0, bytes = 0
    where q.cid = job.cid and q.node_id = node and q.generation = job.generation
      and q.state in ('queued', 'unpinning') and q.next_attempt_at <= at
      and (q.claimed_until is null or q.claimed_until < at or q.claimed_by <> boot)
    returning q.* into p;
    continue when not found;
    cid := p.cid; generation := p.generation; state := p.state; attempt := p.attempts - p.attempts_before;
    verify := p.verify; foreign_pin := p.foreign_pin; age_ms := extract(epoch from at - p.wanted_since) * 1000;
    origins := array(select distinct o from pins w, unnest(w.origins) o where w.cid = job.cid and w.origins is not null limit 60);
    holders := array(select a from placements h, nodes n, unnest(n.multiaddrs) a
                     where h.cid = job.cid and h.state = 'pinned' and h.node_id <> node and n.id = h.node_id limit 60);
    return next;
  end loop;
end $$;

-- Extends claims and notes progress. Returns the contents whose intent changed since they were claimed.
create function extend_claims(node uuid, boot bigint, lease_ms bigint, under jsonb) returns setof text language plpgsql as $$
declare
  u record;
begin
  for u in select j.* from jsonb_to_recordset(under) as j (cid text, generation bigint, blocks bigint, bytes bigint) order by j.cid loop
    update placements p set claimed_until = clock_timestamp() + make_interval(secs => lease_ms / 1000.0),
      blocks = u.blocks, bytes = u.bytes
    where p.cid = u.cid and p.node_id = node and p.claimed_by = boot and p.claimed_generation = u.generation
      and p.generation = u.generation;
    if not found then return next u.cid; end if;
  end loop;
end $$;

-- Pins of these contents that still read queued or failed while their work is under way: claims do not touch pins, so that
-- content that is pinned in a moment costs one change of status and not two.
create function show_pinning(cids text[]) returns void language plpgsql as $$
begin
  select array_agg(distinct p.cid) into cids from pins p where p.cid = any (cids) and p.status in ('queued', 'failed');
  if cids is null then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform fold_contents(cids);
end $$;

-- Records how attempts ended and folds the pins of those contents. Another generation than the claimed one changes nothing but
-- ends the claim; what waits behind it is returned, to be looked at now.
create function finish_placements(node uuid, boot bigint, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
  at timestamptz;
  f record;
  p record;
  now_is text;
  woken boolean;
begin
  select coalesce(array_agg(x.cid), '{}') into cids from jsonb_to_recordset(finishes) as x (cid text);
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  at := clock_timestamp();

  for f in
    select x.* from jsonb_to_recordset(finishes) as x (cid text, generation bigint, kind text, "errorCode" text, error text,
      "delayMs" bigint, blocks bigint, bytes bigint, "foreignPin" boolean) order by x.cid
  loop
    select q.* into p from placements q
    where q.cid = f.cid and q.node_id = node and q.claimed_by = boot and q.claimed_generation = f.generation for update;
    continue when not found;
    if p.generation <> f.generation then
      update placements q set verify = true, claimed_until = null, claimed_by = null, claimed_generation = null
      where q.cid = f.cid and q.node_id = node;
      if p.state in ('queued', 'unpinning') then
        cid := p.cid; generation := p.generation; attempt := p.attempts - p.attempts_before + 1; org_id := p.org_id;
        return next;
      end if;
    elsif f.kind = 'unpinned' then
      delete from placements q where q.cid = f.cid and q.node_id = node;
      if not exists (select from placements q where q.cid = f.cid) and not is_wanted(f.cid) then
        delete from contents c where c.cid = f.cid;
      end if;
    else
      -- asked for again in the meantime: tried again at once
      woken := f.kind in ('retry', 'failed') and p.wanted_since > p.next_attempt_at;
      now_is := case when p.state = 'unpinning' then p.state when woken then 'queued'
        when f.kind in ('pinned', 'failed') then f.kind else 'queued' end;
      update placements q set
        state = now_is,
        attempts = q.attempts - case when f.kind = 'released' and q.state = 'pinning' then 1 else 0 end,
        retrying = not woken and (f.kind = 'retry' or (f.kind = 'released' and q.retrying)),
        crashes = 0,
        verify = f.kind <> 'pinned' and (q.verify or f.kind = 'released'),
        next_attempt_at = case when f.kind = 'retry' and not woken then at + make_interval(secs => f."delayMs" / 1000.0) else at end,
        error_code = case f.kind when 'released' then q.error_code else f."errorCode" end,
        error = case f.kind when 'released' then q.error else f.error end,
        blocks = coalesce(f.blocks, q.blocks), bytes = coalesce(f.bytes, q.bytes),
        foreign_pin = coalesce(f."foreignPin", q.foreign_pin),
        claimed_until = null, claimed_by = null, claimed_generation = null
      where q.cid = f.cid and q.node_id = node;
      if f.kind = 'pinned' then
        update contents c set dag_size = f.bytes, block_count = f.blocks where c.cid = f.cid;
      end if;
    end if;
  end loop;
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
    select p.*, row_number() over (order by p.next_attempt_at) as turn from (
      select * from placements q
      where q.node_id = node and q.state = 'queued' and q.retrying = again and q.org_id = o.org_id
        and q.next_attempt_at <= clock_timestamp() and (q.claimed_until is null or q.claimed_until < clock_timestamp())
      order by q.next_attempt_at limit per_org) p) d
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
  update placements p set
    state = case when p.crashes >= 4 then 'failed' else 'queued' end,
    crashes = p.crashes + 1, verify = true, retrying = p.crashes >= 1,
    error_code = 'crashed', error = 'the node stopped in the middle of pinning this',
    next_attempt_at = clock_timestamp(), claimed_until = null, claimed_by = null, claimed_generation = null
  where p.cid = any (cids) and p.state = 'pinning'
    and (p.claimed_until < clock_timestamp() or p.claimed_by < (select n.incarnation from nodes n where n.id = p.node_id))
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

-- The reconciler: pinned by the book and missing in Kubo is queued again.
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

-- The reconciler: in Kubo under our name, and no placement says so. One is written that says to unpin it.
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

do $$
declare
  f text;
begin
  foreach f in array array['fold_contents(text[], int)', 'claim_placements(uuid, bigint, bigint, jsonb)',
      'extend_claims(uuid, bigint, bigint, jsonb)', 'show_pinning(text[])', 'finish_placements(uuid, bigint, jsonb)',
      'due_unpins(uuid, int)', 'due_pins(uuid, boolean, uuid, int, int)', 'requeue_crashed(text[])', 'void_claims(uuid, bigint, int)',
      'requeue_missing(uuid, text[])', 'drop_unwanted(uuid, text[])'] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;
