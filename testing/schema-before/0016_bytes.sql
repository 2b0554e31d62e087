-- min_code: 1
-- What orgs bring counts as it comes, once for each copy; and of very many orgs each has its turn at a node.

-- Placements of a node to be tried now, of the `orgs` orgs that come after a given one (and round), at most `per_org` of each. An org that
-- has none that is due is answered all the same, without a cid: whoever asks next goes on after the one with the greatest `place`.
-- (`due_pins` is left to nodes that run the code of before.)
create function due_in_turn(node uuid, again boolean, after_org uuid, orgs int, per_org int, most int)
returns table (cid text, generation bigint, attempt int, org_id uuid, state text, place bigint) language sql stable as $$
  with recursive later (org_id, n) as (
    (select p.org_id, 1::bigint from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > after_org order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id
            order by p.org_id limit 1), n + 1
    from later w where w.org_id is not null and n < orgs
  ), sooner (org_id, n) as (
    (select p.org_id, 1 + (select count(l.org_id) from later l) from placements p
     where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id <= after_org
       and (select count(l.org_id) from later l) < orgs order by p.org_id limit 1)
    union all
    select (select p.org_id from placements p
            where p.node_id = node and p.state = 'queued' and p.retrying = again and p.org_id > w.org_id and p.org_id <= after_org
            order by p.org_id limit 1), n + 1
    from sooner w where w.org_id is not null and n < orgs
  )
  select d.cid, d.generation, d.attempts - d.attempts_before + 1, o.org_id, d.state, o.n
  from (select * from later where org_id is not null union all select * from sooner where org_id is not null) o
  left join lateral (
    select p.*, row_number() over (order by p.next_attempt_at) as turn from (
      select * from placements q
      where q.node_id = node and q.state = 'queued' and q.retrying = again and q.org_id = o.org_id
        and q.next_attempt_at <= clock_timestamp() and (q.claimed_until is null or q.claimed_until < clock_timestamp())
      order by q.next_attempt_at limit per_org) p) d on true
  order by d.turn nulls first, o.n limit most
$$;

-- ---------------------------------------------------------------- bytes on their way

-- Content that begins to arrive may be of any size. What came of it so far counts for each org with a limit of bytes that wants it, once for
-- each copy, until the content stands (then its pins count it), or failed, or the org let go of it. Written and removed under the content's
-- lock; `org_usage.reserved` is the sum.
create table reserved_bytes (
  cid text collate "C" not null,
  org_id uuid not null,
  bytes bigint not null,
  primary key (cid, org_id)
) with (fillfactor = 70);
alter table org_usage add column reserved bigint not null default 0;

-- Adds to what orgs have in bytes, by what pins counted and count now; answers with what those have, and is under way for them, whose sum
-- changed. Locks in the order of orgs.
create or replace function count_bytes(orgs uuid[], was bigint[], becomes bigint[]) returns table (org_id uuid, total bigint) language sql as $$
  insert into org_usage as u (org_id, bytes)
  select d.org_id, sum(d.becomes - d.was)::bigint from unnest(orgs, was, becomes) as d (org_id, was, becomes)
  group by 1 having sum(d.becomes - d.was) <> 0 order by 1
  on conflict (org_id) do update set bytes = u.bytes + excluded.bytes
  returning u.org_id, u.bytes + u.reserved
$$;

-- What came so far of these contents, as far as they do not stand: for each org with a limit that wants one, times the copies that it asks
-- for (of the newest hundred of its pins, which all ask for as many as a rule).
create function arrived_bytes(cids text[]) returns table (cid text, org_id uuid, bytes bigint, max_bytes bigint) language sql stable as $$
  select u.cid, w.org_id, a.bytes * n.replicas, o.max_bytes from unnest(cids) as u (cid)
  cross join lateral (select from contents c where c.cid = u.cid and c.dag_size is null offset 0) c
  cross join lateral (
    select max(p.bytes) as bytes from placements p where p.cid = u.cid and p.state in ('queued', 'pinning') and not p.lost) a
  cross join lateral (
    with recursive walk (org_id) as (
      (select p.org_id from pins p where p.cid = u.cid order by p.org_id limit 1)
      union all
      select (select p.org_id from pins p where p.cid = u.cid and p.org_id > w.org_id order by p.org_id limit 1)
      from walk w where w.org_id is not null)
    select org_id from walk where org_id is not null) w
  cross join lateral (select x.max_bytes from orgs x where x.id = w.org_id and x.max_bytes is not null offset 0) o
  cross join lateral (
    select max(l.replicas) as replicas from (
      select p.replicas from pins p where p.cid = u.cid and p.org_id = w.org_id and p.error_code is null order by p.seq desc limit 100) l) n
  where a.bytes > 0 and n.replicas > 0
$$;

-- Reserves what came of contents under way, for orgs with a limit. Of an org whose bytes do not suffice, the pins of that content are refused
-- now, and not only when all of it is there; what came furthest has room first. It never reserves less than before: an attempt begins at
-- nothing again, and what is in Kubo stays there.
create function reserve_bytes(cids text[]) returns void language plpgsql as $$
declare
  a record;
  over_cids text[] := '{}';
  over_orgs uuid[] := '{}';
begin
  if not exists (select from orgs where max_bytes is not null) then return; end if;
  cids := array(select distinct x.cid from arrived_bytes(cids) x
    where x.bytes > coalesce((select r.bytes from reserved_bytes r where r.cid = x.cid and r.org_id = x.org_id), 0));
  if cids = '{}' then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  for a in
    select x.*, x.bytes - r.bytes as more from arrived_bytes(cids) x
    cross join lateral (
      select coalesce((select q.bytes from reserved_bytes q where q.cid = x.cid and q.org_id = x.org_id), 0) as bytes) r
    where x.bytes > r.bytes order by x.org_id, r.bytes desc, x.cid
  loop
    insert into org_usage as u (org_id, bytes, reserved) select a.org_id, 0, a.more where a.more <= a.max_bytes
    on conflict (org_id) do update set reserved = u.reserved + excluded.reserved
      where u.bytes + u.reserved + excluded.reserved <= a.max_bytes;
    if found then
      insert into reserved_bytes (cid, org_id, bytes) values (a.cid, a.org_id, a.bytes)
      on conflict (cid, org_id) do update set bytes = excluded.bytes;
    else
      over_cids := over_cids || a.cid;
      over_orgs := over_orgs || a.org_id;
    end if;
  end loop;
  if over_cids <> '{}' then perform refuse_arriving(over_cids, over_orgs); end if;
end $$;

-- Refuses the pins that an org has of a content under way, for each of these pairs; the contents are locked.
create function refuse_arriving(cids text[], orgs uuid[]) returns void language plpgsql as $$
declare
  tids tid[];
  owners uuid[];
  was text[];
  buckets bigint[];
begin
  select array_agg(l.ctid), array_agg(l.org_id), array_agg(l.status), array_agg(l.seq >> 10) into tids, owners, was, buckets
  from unnest(cids, orgs) as u (cid, org)
  cross join lateral (
    select q.ctid, q.* from pins q where q.cid = u.cid and q.org_id = u.org and q.error_code is null order by q.seq for update) l;
  update pins p set status = 'failed', error_code = 'too_big' where p.ctid = any (tids);
  perform give_back_bytes(cids);
  perform count_pins(owners || owners, was || array_fill('failed'::text, array[cardinality(owners)]), buckets || buckets,
    array_fill(-1::bigint, array[cardinality(owners)]) || array_fill(1::bigint, array[cardinality(owners)]));
  perform release_contents(array(select distinct c from unnest(cids) c), 0);
end $$;

-- Gives back what is reserved of contents that stand, failed, or are wanted by the org no more. The contents are locked.
create function give_back_bytes(cids text[]) returns void language plpgsql as $$
begin
  if not exists (select from reserved_bytes r where r.cid = any (cids)) then return; end if;
  with gone as (
    delete from reserved_bytes r where r.cid = any (cids) and (
      not exists (select from contents c where c.cid = r.cid and c.dag_size is null)
      or not exists (select from placements p where p.cid = r.cid and p.state in ('queued', 'pinning'))
      or not exists (select from pins p where p.cid = r.cid and p.org_id = r.org_id and p.error_code is null))
    returning r.org_id, r.bytes
  )
  insert into org_usage as u (org_id, bytes, reserved) select g.org_id, 0, -sum(g.bytes) from gone g group by 1 order by 1
  on conflict (org_id) do update set reserved = u.reserved + excluded.reserved;
end $$;

-- As in 0003, but its sight of what outgrew its org, which is in `reserve_bytes` now.
create or replace function show_pinning(cids text[]) returns void language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform reserve_bytes(cids);
  select array_agg(distinct p.cid) into cids from pins p
  where p.cid = any (cids) and p.status in ('queued', 'failed') and p.error_code is null;
  if cids is null then return; end if;
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  perform fold_contents(cids);
end $$;
drop function refuse_outgrown(text[]);
drop function outgrown_pins(text[]);

-- As in 0003, but: a pin counts its content's size once for each copy; what was reserved of contents that end is given back.
-- Brings the pins of these contents in line with their placements (a lost one counts for nothing, one that is leaving still stands) and
-- with the contents' sizes; the contents are locked. At most `most` pins: what is over is marked on the content and goes on in a later
-- transaction. Pins that go beyond what their org may have are refused; content that only such pins want is wanted no more.
create or replace function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
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
    select q.ctid, q.org_id, q.seq, q.status, f.becomes, q.counted_bytes, s.size * q.replicas as size from pins q
    cross join lateral (select fold_status(q.status, q.replicas, k.pinned, k.pinning, k.queued, k.failed) as becomes) f
    where q.cid = u.cid and q.error_code is null and (q.status <> f.becomes or q.counted_bytes <> s.size * q.replicas)
    limit most for update of q) d;
  update contents set folding = false where cid = any (cids) and folding;
  perform give_back_bytes(cids);
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

-- As in 0008, but: what is under way counts, and each copy.
-- What of these items an org with limits may not have: {id: {limit, may, has}}. Each that it may have counts for those after it. A replace
-- takes the place of the old pin: it is refused only where it adds bytes. The org's row is locked; work that ends meanwhile may add
-- bytes all the same, so the sum is looked at again when it is written.
create or replace function beyond_limits(items jsonb, usual int, max_pins bigint, max_bytes bigint, max_replicas int, replaces uuid)
returns jsonb language plpgsql as $$
declare
  org uuid := current_org();
  old record;
  pins bigint;
  bytes bigint;
  sizes jsonb := '{}';
  size bigint;
  i record;
  why jsonb;
  refused jsonb := '{}';
begin
  if max_pins is not null then
    select coalesce(sum(n.n), 0) into pins from unnest(array['queued', 'pinning', 'pinned', 'failed']) s
    cross join lateral (select sum(c.n) as n from pin_counts c where c.org_id = org and c.status = s and c.level = 1) n;
  end if;
  if max_bytes is not null then
    bytes := coalesce((select u.bytes + u.reserved from org_usage u where u.org_id = org), 0);
    sizes := known_sizes(array(select x.cid from jsonb_to_recordset(items) as x (cid text)));
  end if;
  -- most often all of them fit
  if replaces is null and (max_pins is null or pins + jsonb_array_length(items) <= max_pins) and (
    select (max_replicas is null or coalesce(max(x.replicas), 0) <= max_replicas)
      and (max_bytes is null or bytes + coalesce(sum((sizes ->> x.cid)::bigint * coalesce(x.replicas, usual)), 0) < max_bytes)
    from jsonb_to_recordset(items) as x (cid text, replicas int))
  then return refused; end if;
  -- with what came of it so far, where no other pin of the org waits for the same
  select p.cid, p.counted_bytes + coalesce((select r.bytes from reserved_bytes r where r.cid = p.cid and r.org_id = org and not exists (
      select from pins q where q.cid = p.cid and q.org_id = org and q.id <> replaces and q.error_code is null)), 0) as bytes
  into old from pins p where p.org_id = org and p.id = replaces;
  for i in select x.* from jsonb_to_recordset(items) as x (id uuid, cid text, replicas int) loop
    size := (sizes ->> i.cid)::bigint * coalesce(i.replicas, usual);
    why := case
      when i.replicas > max_replicas then jsonb_build_object('limit', 'replicas', 'may', max_replicas, 'has', i.replicas)
      when replaces is null and pins >= max_pins then jsonb_build_object('limit', 'pins', 'may', max_pins, 'has', pins)
      when case
        when size > coalesce(old.bytes, 0) then bytes - coalesce(old.bytes, 0) + size > max_bytes
        when size is null then bytes - coalesce(old.bytes, 0) >= max_bytes and i.cid is distinct from old.cid
        else bytes >= max_bytes and replaces is null end
      then jsonb_build_object('limit', 'bytes', 'may', max_bytes, 'has', bytes)
    end;
    if why is null then
      pins := pins + 1;
      bytes := bytes + coalesce(size, 0);
    else
      refused := refused || jsonb_build_object(i.id, why);
    end if;
  end loop;
  return refused;
end $$;

set role anchorage_system;
-- As in 0002, but: what was reserved of what the org wants no more is given back.
-- After a pin went or was refused: content that nobody wants any more. Unfinished work is aborted at once, what stands is unpinned after
-- the grace period. The contents are locked here, in cid order; the question is asked in a later statement. Returns what to hint.
create or replace function release_contents(cids text[], grace_ms bigint)
returns table (cid text, node_id uuid, generation bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone text;
begin
  perform lock_contents(cids);
  perform lower_wanted(cids);
  perform give_back_bytes(cids);
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

reset role;

-- As in 0002, but: each copy counts, and what is replaced where bytes are limited goes at once, before what the org has is summed up.
-- Accepts a batch of one org, in order, or replaces one pin by the one item. Ids are minted before: with `again`, an item that
-- is there already is answered from its row. Raises AN001 when created would run more than ten minutes ahead of the clock.
-- A replace of what is not there answers with no row. An item that says no replicas gets the org's, else `usual`; `copies` is how many
-- of them have a node so far. What a replaced pin kept is kept until the new one stands; but where bytes are limited it goes at once, as
-- with a delete, since nothing would count it (`grace_ms` is of no use any more). An item beyond the org's limits is answered with what it is beyond, and changes nothing.
create or replace function accept_pins(items jsonb, again boolean default false, replaces uuid default null, usual int default 1,
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
      coalesce((w.w ->> 'attempts')::int, 0), coalesce((w.w ->> 'size')::bigint, 0) * w.replicas, base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
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
    if limits.max_bytes is not null then perform release_contents(array_remove(array_append(old.holds, old.cid), cids[1]), 0); end if;
  end if;
  if gained <> lost then
    select c.total into total from count_bytes(array[org], array[lost], array[gained]) c;
    -- a size came to be known, or work ended, since the limits were looked at: once more
    if gained > lost and total > limits.max_bytes then raise exception 'the org has more by now' using errcode = '40001'; end if;
  end if;
  perform count_pins(array_fill(org, array[cardinality(ns)]), statuses, buckets, ns);
  update orgs o set last_created = base + make_interval(secs => (n - 1) / 1000.0), last_seq = last + n where o.id = org;
end $$;

-- As in 0002, but: no grace where bytes are limited, and what is let go of is given back before what the org has is summed up.
-- Removes one pin of the current org, whatever its state. An org whose bytes are limited has no grace: nothing would count what it keeps. `found` is false when there is none; `woken` are placements to look at.
create or replace function remove_pin(pin uuid, grace_ms bigint, audit_id uuid, actor text, public_id text)
returns table (found boolean, woken jsonb)
language plpgsql as $$
declare
  org uuid := current_org();
  gone text[];
  at_seq bigint;
  was text;
  lost bigint;
  limited boolean;
  jobs jsonb;
  old_meta jsonb;
begin
  select o.max_bytes is not null into limited from orgs o where o.id = org for update;
  select array_append(coalesce(p.holds, '{}'), p.cid), p.seq, p.meta into gone, at_seq, old_meta
  from pins p where p.org_id = org and p.id = pin;
  if gone is null then
    return query select false, null::jsonb;
    return;
  end if;
  perform lock_contents(gone);
  delete from pins p where p.org_id = org and p.id = pin returning p.status, p.counted_bytes into was, lost;
  if old_meta is not null then perform forget_meta(org, old_meta, at_seq); end if;
  jobs := (select jsonb_agg(jsonb_build_object('cid', r.cid, 'nodeId', r.node_id, 'generation', r.generation))
           from release_contents(gone, case when limited then 0 else grace_ms end) r);
  if lost <> 0 then perform count_bytes(array[org], array[lost], array[0::bigint]); end if;
  perform count_pins(array[org], array[was], array[at_seq >> 10], array[-1::bigint]);
  insert into audit_log (id, org_id, actor, action, target) values (audit_id, org, actor, 'pin.delete', public_id);
  return query select true, jobs;
end $$;

alter table reserved_bytes enable row level security;
alter table reserved_bytes force row level security;
create policy system_all on reserved_bytes to anchorage_system using (true) with check (true);
create policy own_rows on reserved_bytes for select to anchorage_tenant using (org_id = current_org());
grant select on reserved_bytes to anchorage_tenant;
grant select, insert, update, delete on reserved_bytes to anchorage_system;

-- What stands counts for each copy from now on.
lock table contents, placements, pins, org_usage in share row exclusive mode;
set role anchorage_system;
update pins p set counted_bytes = c.dag_size * p.replicas from contents c
where c.cid = p.cid and p.replicas > 1 and p.counted_bytes > 0 and p.counted_bytes <> c.dag_size * p.replicas;
update org_usage u set bytes = n.bytes from (select p.org_id, sum(p.counted_bytes) as bytes from pins p group by 1) n
where n.org_id = u.org_id and n.bytes <> u.bytes;
reset role;

do $$
declare
  f regprocedure;
begin
  foreach f in array array['due_in_turn(uuid, boolean, uuid, int, int, int)', 'arrived_bytes(text[])', 'reserve_bytes(text[])',
      'refuse_arriving(text[], uuid[])', 'give_back_bytes(text[])']::regprocedure[] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;
