-- Accepts new pins of the current org, in order; or, with `replaces`, one new pin in the place of an old one.
-- `items`: [{id, publicId, auditId, actor, audit, cid, cidText?, name?, folded?, meta?, origins?, replicas?, nodes}]. The caller mints the
-- ids and ranks the nodes. An item without `replicas` gets the org's default, or `usual` if the org has none, but at most the org's limit.
-- With `again`, an item whose pin exists already is answered from its row. An item beyond the org's limits changes nothing.
-- Locks: the org's row; with `again` the pins that exist (for share); for a replace its contents in cid order; hold_nodes; the contents in
-- cid order and their placements (want_contents); the replaced pin and what release_contents locks; org_usage; pin_counts in key order.
-- Returns: one row an item; none if the pin to replace does not exist. `copies`: how many copies have a node so far. `woken`: the
-- placements to hint, [{nodeId, generation, attempt}]. Both are null for a pin that existed. `refused`: {limit, may, has} for an item
-- beyond a limit, whose other columns but id are null; otherwise null.
-- Raises: AN001 if `created` would be over ten minutes ahead of the clock (its message ends with the seconds); 42501 if there is no such
-- org; 40001 if the org gained bytes after its limits were checked and now has too many (the caller tries again, with the new sum).
create or replace function accept_pins(items jsonb, again boolean default false, replaces uuid default null, usual int default 1,
  grace_ms bigint default 0)
returns table (id uuid, created timestamptz, status text, replicas int, copies int, woken jsonb, refused jsonb)
language plpgsql set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
declare
  org uuid := current_org();
  able int := able_nodes();
  limits record;
  old record;
  beyond jsonb;
  wanted jsonb;
  made record;
  lost bigint := 0;
begin
  select greatest(date_trunc('milliseconds', clock_timestamp()), o.last_created + interval '1 ms') as base, o.last_seq,
    least(coalesce(o.default_replicas, usual), o.max_replicas) as usual, o.max_pins, o.max_bytes, o.max_replicas
  into limits from orgs o where o.id = org for update;
  if not found then raise exception 'no such org' using errcode = '42501'; end if;
  if limits.base > now() + interval '10 min' then raise 'ahead: %', extract(epoch from limits.base - now()) using errcode = 'AN001'; end if;

  if again then
    return query select p.id, p.created, p.status, p.replicas::int, null::int, null::jsonb, null::jsonb from jsonb_array_elements(items) i
    cross join lateral (select * from pins q where q.org_id = org and q.id = (i ->> 'id')::uuid for share) p;
    items := (select coalesce(jsonb_agg(i), '[]') from jsonb_array_elements(items) i
              where not exists (select from pins q where q.org_id = org and q.id = (i ->> 'id')::uuid));
    if items = '[]' then return; end if;
  end if;
  if replaces is not null then
    select p.cid, coalesce(p.holds, '{}') as holds into old from pins p where p.org_id = org and p.id = replaces;
    if not found then return; end if;
  end if;
  if limits.max_pins is not null or limits.max_bytes is not null or limits.max_replicas is not null then
    beyond := beyond_limits(items, limits.usual, limits.max_pins, limits.max_bytes, limits.max_replicas, replaces);
    if beyond <> '{}' then
      return query select b.key::uuid, null::timestamptz, null, null::int, null::int, null::jsonb, b.value from jsonb_each(beyond) b;
      items := (select coalesce(jsonb_agg(i.item order by i.place), '[]')
                from jsonb_array_elements(items) with ordinality as i (item, place) where not beyond ? (i.item ->> 'id'));
      if items = '[]' then return; end if;
    end if;
  end if;

  if replaces is not null then perform lock_contents(old.holds || array[old.cid, items -> 0 ->> 'cid']); end if;
  wanted := want_contents(items, limits.usual);
  select array_agg(m.id) as ids, array_agg(m.cid) as cids, array_agg(m.created) as createds, array_agg(m.status) as statuses,
    array_agg(m.replicas) as replicas, array_agg(m.seq >> 10) as buckets, array_agg(1::bigint) as ns, sum(m.counted_bytes)::bigint as bytes
  into made from insert_pins(items, wanted, limits.usual, able, limits.base, limits.last_seq,
    case when replaces is null then 'pin.create' else 'pin.replace' end) m;
  return query select u.id, u.created, u.status, u.replicas, (wanted -> u.cid ->> 'copies')::int, wanted -> u.cid -> 'woken', null::jsonb
  from unnest(made.ids, made.cids, made.createds, made.statuses, made.replicas) as u (id, cid, created, status, replicas);
  if replaces is not null then
    select made.statuses || r.status, made.buckets || r.bucket, made.ns || -1::bigint, r.counted_bytes
    into made.statuses, made.buckets, made.ns, lost
    from remove_replaced(replaces, old.holds, made.ids[1], made.cids[1], limits.max_bytes is not null, grace_ms) r;
  end if;
  if made.bytes <> lost then perform gain_bytes(lost, made.bytes, limits.max_bytes); end if;
  perform count_pins(array_fill(org, array[cardinality(made.ns)]), made.statuses, made.buckets, made.ns);
  update orgs o set last_created = limits.base + make_interval(secs => (cardinality(made.ids) - 1) / 1000.0),
    last_seq = limits.last_seq + cardinality(made.ids) where o.id = org;
end $$;
grant execute on function accept_pins to anchorage_tenant;
