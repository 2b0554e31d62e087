-- Accepts new pins of the current org, in order; or, with `replaces`, one new pin in the place of an old one.
-- `items`: [{id, publicId, auditId, actor, audit, cid, cidText?, name?, folded?, meta?, origins?, replicas?, nodes}]. The caller mints the
-- ids and ranks the nodes. An item without `replicas` gets the org's default, or `usual` if the org has none, but at most the org's limit.
-- With `again`, an item whose pin exists already is answered from its row. An item beyond the org's limits changes nothing.
-- Locks: the org's row; with `again` the pins that exist (for share); for a replace its contents in cid order; hold_nodes; the contents in
-- cid order and their placements (want_contents); the replaced pin and what release_contents locks; org_usage; pin_counts in key order.
-- Returns: one row an item; none if the pin to replace does not exist. `copies`: how many copies have a node so far. `woken`: the
-- placements to hint, [{nodeId, generation, attempt}]. Both are null for a pin that existed. `refused`: {limit, may, has} for an item
-- beyond a limit, whose other columns but id are null; otherwise null.
-- Raises: AN001 if `created` would be over ten minutes ahead of the clock; 42501 if there is no such org; 40001 if the org gained bytes
-- after its limits were checked and now has too many (the caller tries again, with the new sum).
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
  -- contents of the old pin: those that the new pin holds, and those that are released as by a delete
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
  -- the arguments of count_pins
  statuses text[];
  buckets bigint[];
  ns bigint[];
  -- the bytes that the new pins count, and those that the replaced pin counted
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
      items := (select coalesce(jsonb_agg(i.item order by i.place), '[]')
                from jsonb_array_elements(items) with ordinality as i (item, place) where not beyond ? (i.item ->> 'id'));
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
      fold_status('queued', least(w.replicas, able), coalesce((w.w ->> 'pinned')::bigint, 0),
        coalesce((w.w ->> 'pinning')::bigint, 0), 1, 0),
      coalesce((w.w ->> 'attempts')::int, 0), coalesce((w.w ->> 'size')::bigint, 0) * w.replicas,
      shown_bytes(i.meta, i.name, i.origins, w.replicas), base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
    from rows from (jsonb_to_recordset(items) as (id uuid, cid text, "cidText" text, name text, folded text, meta jsonb,
      origins text[], replicas int)) with ordinality as i (id, cid, "cidText", name, folded, meta, origins, replicas, place)
    cross join lateral (select wanted -> i.cid as w, coalesce(i.replicas, usual) as replicas) w
    returning p.id, p.seq, p.cid, p.created, p.status, p.replicas, p.counted_bytes
  )
  select array_agg(m.id), array_agg(m.cid), array_agg(m.created), array_agg(m.status), array_agg(m.seq >> 10), array_agg(1::bigint),
    array_agg(m.replicas), sum(m.counted_bytes)
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
    -- While the new pin is not pinned, it holds the content that was pinned for the old pin, and no more. So a pin holds at most one other
    -- content, however often it is replaced. Where bytes are limited it holds none, since no pin counts the bytes of held content.
    kept := case when limits.max_bytes is not null then '{}'
      when (select p.status from pins p where p.org_id = org and p.id = replaces) = 'pinned' then array[old.cid] else old.holds end;
    kept := array_remove(kept, cids[1]);
    let_go := array(select distinct c from unnest(array_append(old.holds, old.cid)) c where c <> cids[1] and c <> all (kept));
    update pins p set holds = nullif(kept, '{}') where p.org_id = org and p.id = ids[1];
    if old.meta is not null then perform forget_meta(org, old.meta, old.seq); end if;
    -- the old pin is locked only here, and a finish may have changed its status since it was read: what the delete returns is right
    delete from pins p where p.org_id = org and p.id = replaces returning statuses || p.status, p.counted_bytes into statuses, lost;
    if old.cid = cids[1] then perform lower_wanted(cids); end if;
    buckets := buckets || (old.seq >> 10);
    ns := ns || -1::bigint;
    perform release_contents(let_go, case when limits.max_bytes is null then grace_ms else 0 end);
  end if;
  if gained <> lost then
    select c.total into total from count_bytes(array[org], array[lost], array[gained]) c;
    -- bytes may have been added since the limits were checked: a content got a size, or bytes were reserved
    if gained > lost and total > limits.max_bytes then raise exception 'the org has more by now' using errcode = '40001'; end if;
  end if;
  perform count_pins(array_fill(org, array[cardinality(ns)]), statuses, buckets, ns);
  update orgs o set last_created = base + make_interval(secs => (n - 1) / 1000.0), last_seq = last + n where o.id = org;
end $$;
grant execute on function accept_pins to anchorage_tenant;
