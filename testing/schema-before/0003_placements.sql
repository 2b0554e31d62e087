-- min_code: 1
-- What a node does with its placements: claim, extend, finish; and the reconciler's findings. All as the system.

-- Brings the pins of these contents in line with their placements (a lost one counts for nothing, one that is leaving still stands) and
-- with the contents' sizes; the contents are locked. At most `most` pins: what is over is marked on the content and goes on in a later
-- transaction. Pins that go beyond what their org may have are refused; content that only such pins want is wanted no more.
create function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
declare
  tids tid[];
  orgs uuid[];
  seqs bigint[];
  was text[];
  becomes text[];
  counted bigint[];
  counts bigint[];
  refused tid[] := '{}';
  unwanted text[];
begin
  select array_agg(d.ctid), array_agg(d.org_id), array_agg(d.seq), array_agg(d.status), array_agg(d.becomes), array_agg(d.counted_bytes),
    array_agg(d.size)
  into tids, orgs, seqs, was, becomes, counted, counts
  from unnest(cids) as u (cid)
  cross join lateral (
    select count(*) filter (where state = 'pinned') as pinned, count(*) filter (where state = 'pinning') as pinning,
      count(*) filter (where state = 'queued') as queued, count(*) filter (where state = 'failed') as failed
    from placements where cid = u.cid and not lost) k
  cross join lateral (select coalesce(c.dag_size, 0) as size from contents c where c.cid = u.cid) s
  cross join lateral (
    select q.ctid, q.org_id, q.seq, q.status, f.becomes, q.counted_bytes, s.size from pins q
    cross join lateral (select fold_status(q.status, q.replicas, k.pinned, k.pinning, k.queued, k.failed) as becomes) f
    where q.cid = u.cid and q.error_code is null and (q.status <> f.becomes or q.counted_bytes <> s.size)
    limit most for update of q) d;
  update contents set folding = false where cid = any (cids) and folding;
  if tids is null then return; end if;
  if counts <> counted then
    refused := weigh_pins(tids, orgs, seqs, counted, counts);
    if refused <> '{}' then
      unwanted := array(select distinct p.cid from pins p where p.ctid = any (refused));
      select array_agg(case when u.tid = any (refused) then 'failed' else u.becomes end order by u.place),
        array_agg(case when u.tid = any (refused) then 0 else u.counts end order by u.place)
      into becomes, counts from unnest(tids, becomes, counts) with ordinality as u (tid, becomes, counts, place);
    end if;
  end if;
  update pins p set status = d.becomes, counted_bytes = d.counts, error_code = case when d.tid = any (refused) then 'too_big' end
  from unnest(tids, becomes, counts) as d (tid, becomes, counts) where p.ctid = d.tid;
  perform count_pins(orgs || orgs, was || becomes, array(select s >> 10 from unnest(seqs || seqs) with ordinality as u (s, place) order by place),
    array_fill(-1::bigint, array[cardinality(orgs)]) || array_fill(1::bigint, array[cardinality(orgs)]));
  if refused <> '{}' then perform release_contents(unwanted, 0); end if;
  if cardinality(tids) >= most then
    update contents set folding = true where cid = any (cids);
  end if;
end $$;

-- Claims what may be claimed now. A claim ends by finish, by time, or with the incarnation that made it. It does not wait for the
-- disk: a claim that Postgres loses in a crash is a row that is queued again, and its finish then changes nothing.
create function claim_placements(node uuid, boot bigint, lease_ms bigint, jobs jsonb)
returns table (cid text, generation bigint, state text, attempt int, origins text[], holders text[], verify boolean,
  age_ms bigint, foreign_pin boolean)
language plpgsql as $$
#variable_conflict use_column
declare
  at timestamptz := clock_timestamp();
  tids tid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(p.ctid) into tids
  from (select j.cid, j.generation from jsonb_to_recordset(jobs) as j (cid text, generation bigint) order by j.cid) j
  cross join lateral (
    select q.ctid from placements q
    where q.cid = j.cid and q.node_id = node and q.generation = j.generation
      and q.state in ('queued', 'unpinning') and q.next_attempt_at <= at
      and (q.claimed_until is null or q.claimed_until < at or q.claimed_by <> boot) for update) p;
  if tids is null then return; end if;
  return query
  with taken as (
    update placements q set
      state = case q.state when 'queued' then 'pinning' else q.state end,
      attempts = q.attempts + case q.state when 'queued' then 1 else 0 end,
      -- a claim that is void or ran out may have left work behind in Kubo
      verify = q.verify or q.claimed_until is not null,
      claimed_until = at + make_interval(secs => lease_ms / 1000.0), claimed_by = boot, claimed_generation = q.generation,
      -- the time of the claim: a wake that comes later is told by its wanted_since
      next_attempt_at = at, blocks = 0, bytes = 0
    where q.ctid = any (tids)
    returning q.*
  )
  select t.cid, t.generation, t.state, t.attempts - t.attempts_before,
    array(select distinct o from pins w, unnest(w.origins) o where w.cid = t.cid and w.origins is not null limit 60),
    -- lost ones last: their nodes do not answer
    array(select a from (select h.node_id, h.lost from placements h
                         where h.cid = t.cid and h.node_id <> node and h.state = 'pinned' offset 0) h
          join nodes n on n.id = h.node_id, unnest(n.multiaddrs) a order by h.lost limit 60),
    t.verify, (extract(epoch from at - t.wanted_since) * 1000)::bigint, t.foreign_pin
  from taken t;
end $$;

-- Extends claims and notes progress, without waiting for the disk either. Returns the contents whose intent changed since they were claimed.
create function extend_claims(node uuid, boot bigint, lease_ms bigint, under jsonb) returns setof text language plpgsql as $$
declare
  tids tid[];
begin
  perform set_config('synchronous_commit', 'off', true);
  select array_agg(p.ctid) into tids
  from (select u.* from jsonb_to_recordset(under) as u (cid text, generation bigint) order by u.cid) u
  cross join lateral (
    select q.ctid from placements q where q.cid = u.cid and q.node_id = node and q.claimed_by = boot
      and q.claimed_generation = u.generation and q.generation = u.generation for update) p;
  return query
  with kept as (
    update placements p set claimed_until = clock_timestamp() + make_interval(secs => lease_ms / 1000.0),
      blocks = u.blocks, bytes = u.bytes
    from jsonb_to_recordset(under) as u (cid text, blocks bigint, bytes bigint)
    where p.ctid = any (coalesce(tids, '{}')) and p.cid = u.cid
    returning p.cid
  )
  select u.cid from jsonb_to_recordset(under) as u (cid text) where not exists (select from kept k where k.cid = u.cid);
end $$;

-- Pins of these contents that still read queued or failed while their work is under way: claims do not touch pins, so that
-- content that is pinned in a moment costs one change of status and not two.
create function show_pinning(cids text[]) returns void language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform refuse_outgrown(cids);
  select array_agg(distinct p.cid) into cids from pins p
  where p.cid = any (cids) and p.status in ('queued', 'failed') and p.error_code is null;
  if cids is null then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform fold_contents(cids);
end $$;

-- Records how attempts ended and folds the pins of those contents. Another generation than the claimed one changes nothing but
-- ends the claim; what waits behind it is returned, to be looked at now. It does not wait for the disk, so that an accept of the
-- same org never waits for it behind these locks: an outcome that Postgres loses in a crash is worked out again from Kubo.
-- A copy that was made by a repair or a move and has come to its end, a node without room, and more copies than are wanted are the
-- leader's business: their content is marked.
create function finish_placements(node uuid, boot bigint, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
  tids tid[];
  at timestamptz;
  gone text;
begin
  perform set_config('synchronous_commit', 'off', true);
  select coalesce(array_agg(x.cid), '{}') into cids from jsonb_to_recordset(finishes) as x (cid text);
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  at := clock_timestamp();
  select array_agg(p.ctid) into tids
  from (select x.* from jsonb_to_recordset(finishes) as x (cid text, generation bigint) order by x.cid) x
  cross join lateral (
    select q.ctid from placements q where q.cid = x.cid and q.node_id = node and q.claimed_by = boot
      and q.claimed_generation = x.generation for update) p;
  if tids is null then return; end if;

  for gone in
    delete from placements q using jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text)
    where q.ctid = any (tids) and q.cid = f.cid and q.generation = f.generation and f.kind = 'unpinned'
    returning q.cid
  loop
    if not exists (select from placements q where q.cid = gone) and not is_wanted(gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;

  return query
  with ended as (
    update placements q set
      state = case when not f.holds or q.state = 'unpinning' then q.state when f.woken then 'queued'
        when f.kind in ('pinned', 'failed') then f.kind else 'queued' end,
      attempts = q.attempts - case when f.holds and f.kind = 'released' and q.state = 'pinning' then 1 else 0 end,
      retrying = case when f.holds then not f.woken and (f.kind = 'retry' or (f.kind = 'released' and q.retrying)) else q.retrying end,
      crashes = case when f.holds then 0 else q.crashes end,
      verify = case when f.holds then f.kind <> 'pinned' and (q.verify or f.kind = 'released') else true end,
      next_attempt_at = case when not f.holds then q.next_attempt_at
        when f.kind = 'retry' and not f.woken then at + make_interval(secs => f."delayMs" / 1000.0) else at end,
      error_code = case when f.holds and f.kind <> 'released' then f."errorCode" else q.error_code end,
      error = case when f.holds and f.kind <> 'released' then f.error else q.error end,
      blocks = case when f.holds then coalesce(f.blocks, q.blocks) else q.blocks end,
      bytes = case when f.holds then coalesce(f.bytes, q.bytes) else q.bytes end,
      foreign_pin = case when f.holds then coalesce(f."foreignPin", q.foreign_pin) else q.foreign_pin end,
      claimed_until = null, claimed_by = null, claimed_generation = null
    from (
      select x.*, p.ctid as tid, p.generation = x.generation as holds,
        -- asked for again while it was under way: tried again at once
        x.kind in ('retry', 'failed') and p.wanted_since > p.next_attempt_at as woken
      from jsonb_to_recordset(finishes) as x (cid text, generation bigint, kind text, "errorCode" text, error text,
        "delayMs" bigint, blocks bigint, bytes bigint, "foreignPin" boolean)
      cross join lateral (select q.ctid, q.generation, q.wanted_since, q.next_attempt_at from placements q
                          where q.cid = x.cid and q.node_id = node and q.ctid = any (tids) offset 0) p) f
    where q.ctid = f.tid
    returning q.cid, q.generation, q.state, q.attempts - q.attempts_before as attempts, q.org_id, q.reason, q.error_code, f.holds, f.kind,
      f.blocks, f.bytes
  ), sized as (
    update contents c set dag_size = greatest(c.dag_size, e.bytes), block_count = greatest(c.block_count, e.blocks),
      unsettled = c.unsettled or e.reason <> 'new'
        -- too many now, or one failed before there was anybody to copy from
        or (select count(*) filter (where q.state <> 'unpinning' and not q.lost) > c.wanted or bool_or(q.state = 'failed')
            from placements q where q.cid = e.cid)
    from ended e where c.cid = any (cids) and c.cid = e.cid and e.holds and e.kind = 'pinned'
  ), refused as (
    update contents c set unsettled = true from ended e
    where c.cid = any (cids) and c.cid = e.cid and e.holds and not c.unsettled
      and (e.error_code = 'node_full' and e.kind in ('failed', 'retry') or e.kind = 'failed'
        and (e.reason <> 'new' or exists (select from placements q where q.cid = e.cid and q.node_id <> node)))
  )
  select e.cid, e.generation, e.attempts + 1, e.org_id from ended e where not e.holds and e.state in ('queued', 'unpinning');
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
  update contents c set unsettled = true
  where c.cid = any (cids) and not c.unsettled
    and exists (select from placements p where p.cid = c.cid and p.state = 'failed'
      and (p.reason <> 'new' or exists (select from placements q where q.cid = p.cid and q.node_id <> p.node_id)));
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
  update contents c set unsettled = true where c.cid = any (cids) and not c.unsettled;
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
