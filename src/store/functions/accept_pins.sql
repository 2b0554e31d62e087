-- the old one, and only that. So a pin holds one other content at most, however often it is replaced; where bytes are limited none, since no
-- pin counts it.
create or replace function accept_pins(items jsonb, again boolean default false, replaces uuid default null, usual int default 1,
  grace_ms bigint default 0)
returns table (id uuid, created timestamptz, status text, replicas int, copies int, woken jsonb, refused jsonb)
language plpgsql set plan_cache_mode = force_generic_plan as $$
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
grant execute on function accept_pins to anchorage_tenant;
