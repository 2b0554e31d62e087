-- min_code: 1
-- Pins that want more copies than there are nodes, what a replace keeps, and how large a pin is in a list.

-- About as many bytes as a pin takes in an answer, its copies' states among them; noted with the pin, so that a page which ends by bytes
-- need not read what it does not show. Null: not noted yet.
alter table pins add column shown_bytes integer;
create function shown_bytes(meta jsonb, name text, origins text[], replicas int) returns int language sql stable as $$
  select 300 + 256 * replicas + coalesce(octet_length(meta::text), 0) + coalesce(octet_length(name), 0)
    + coalesce(octet_length(origins::text), 0)
$$;

-- How many nodes there are for content: no pin waits for more copies than these. With none at all, for one.
create function able_nodes() returns int language sql stable security definer set search_path = public, pg_temp as $$
  select greatest(1, count(*))::int from nodes where state = 'active' and down_at is null
$$;

-- When there are more or fewer nodes, pins that wait for copies may read another status: how far the walk over their contents came, in
-- cid order; null when none is to be walked.
create table refolds (
  one boolean primary key default true check (one),
  after text collate "C"
);
insert into refolds default values;
grant select, update on refolds to anchorage_system;

create function refold() returns trigger language plpgsql as $$
begin
  update refolds set after = '';
  return null;
end $$;
create trigger nodes_came_or_went after insert or delete or update of state, down_at on nodes
  for each statement execute function refold();

-- As in 0016, but: a pin that wants more copies than there are nodes is pinned when each of these has it.
create or replace function fold_contents(cids text[], most int default 1000) returns void language plpgsql as $$
declare
  tids tid[];
  orgs uuid[];
  seqs bigint[];
  was text[];
  becomes text[];
  counted bigint[];
  counts bigint[];
  able int := able_nodes();
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
    cross join lateral (select fold_status(q.status, least(q.replicas, able), k.pinned, k.pinning, k.queued, k.failed) as becomes) f
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

-- Folds that stopped at their limit go on, and then the walk over contents that lack copies.
create or replace function continue_folds(of_leader bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
  came text;
begin
  perform assert_leading(of_leader);
  select array_agg(q.cid) into cids from (
    select cid from contents where folding order by cid limit 10 for update skip locked) q;
  if cids is not null then
    perform fold_contents(cids, most);
    return most;
  end if;
  select after into came from refolds for update;
  if came is null then return 0; end if;
  select array_agg(q.cid order by q.cid) into cids from (
    select cid from contents where unsettled and cid > came order by cid limit most) q;
  update refolds set after = cids[cardinality(cids)];
  if cids is null then return 0; end if;
  perform lock_contents(cids);
  perform fold_contents(cids, most);
  return cardinality(cids);
end $$;

-- As in 0016, but for the nodes that there are, the size in a list, and what a replace keeps: until the new pin stands, content that stood for
-- the old one, and only that. So a pin holds one other content at most, however often it is replaced; where bytes are limited none, since no
-- pin counts it.
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
  -- what the new pin keeps of the old one, and what goes as with a delete
  kept text[];
  let_go text[];
  able int := able_nodes();
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

  if replaces is not null then
    perform lock_contents(old.holds || array[old.cid, items -> 0 ->> 'cid']);
  end if;
  wanted := want_contents(items, usual);
  n := jsonb_array_length(items);
  with made as (
    insert into pins as p (org_id, id, seq, cid, cid_text, name, name_folded, meta, origins, replicas, status, attempts_before,
      counted_bytes, shown_bytes, created, accepted_at)
    select org, i.id, last + i.place, i.cid, i."cidText", i.name, i.folded, i.meta, i.origins, w.replicas,
      fold_status('queued', least(w.replicas, able), coalesce((w.w ->> 'pinned')::bigint, 0), coalesce((w.w ->> 'pinning')::bigint, 0), 1, 0),
      coalesce((w.w ->> 'attempts')::int, 0), coalesce((w.w ->> 'size')::bigint, 0) * w.replicas,
      shown_bytes(i.meta, i.name, i.origins, w.replicas), base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
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
    kept := case when limits.max_bytes is not null then '{}'
      when (select p.status from pins p where p.org_id = org and p.id = replaces) = 'pinned' then array[old.cid] else old.holds end;
    kept := array_remove(kept, cids[1]);
    let_go := array(select distinct c from unnest(array_append(old.holds, old.cid)) c where c <> cids[1] and c <> all (kept));
    update pins p set holds = nullif(kept, '{}') where p.org_id = org and p.id = ids[1];
    if old.meta is not null then perform forget_meta(org, old.meta, old.seq); end if;
    -- locked only now: a finish may have moved it on since it was read
    delete from pins p where p.org_id = org and p.id = replaces returning statuses || p.status, p.counted_bytes into statuses, lost;
    if old.cid = cids[1] then perform lower_wanted(cids); end if;
    buckets := buckets || (old.seq >> 10);
    ns := ns || -1::bigint;
    perform release_contents(let_go, case when limits.max_bytes is null then grace_ms else 0 end);
  end if;
  if gained <> lost then
    select c.total into total from count_bytes(array[org], array[lost], array[gained]) c;
    -- a size came to be known, or work ended, since the limits were looked at: once more
    if gained > lost and total > limits.max_bytes then raise exception 'the org has more by now' using errcode = '40001'; end if;
  end if;
  perform count_pins(array_fill(org, array[cardinality(ns)]), statuses, buckets, ns);
  update orgs o set last_created = base + make_interval(secs => (n - 1) / 1000.0), last_seq = last + n where o.id = org;
end $$;

alter function accept_pins(jsonb, boolean, uuid, int, bigint) set plan_cache_mode = force_generic_plan;

-- What replaces made a pin hold before: of each the newest that stands is kept.
set role anchorage_system;
do $$
declare
  p record;
  kept text[];
begin
  for p in select org_id, id, holds from pins where cardinality(holds) > 1 order by org_id, id for update loop
    perform lock_contents(p.holds);
    kept := array(select h from unnest(p.holds) with ordinality as u (h, place)
      where exists (select from placements q where q.cid = h and q.state = 'pinned') order by place desc limit 1);
    update pins q set holds = nullif(kept, '{}') where q.org_id = p.org_id and q.id = p.id;
    perform release_contents(array(select distinct h from unnest(p.holds) h where h <> all (kept)), 0);
  end loop;
end $$;
reset role;

revoke all on function able_nodes(), refold(), shown_bytes(jsonb, text, text[], int) from public;
grant execute on function able_nodes(), shown_bytes(jsonb, text, text[], int) to anchorage_tenant, anchorage_system;
alter function able_nodes() owner to anchorage_system;
