-- Writes the pins of accept_pins' `items`, with their meta and audit lines. `wanted`: the answer of want_contents for these items.
-- `usual`: the number of replicas of an item without one. `able`: the answer of able_nodes. The pins take the seqs after `last_seq`. The
-- first one is created at `base`, each other one a millisecond after the one before. `action`: the action in the audit lines.
-- Locks: nothing but the new rows. The caller holds the org's row, the contents and their placements.
-- Returns: one row a pin. `counted_bytes`: the bytes that it adds to its org's.
-- It runs with accept_pins' setting of plan_cache_mode: a setting of its own would cost more at each call.
create or replace function insert_pins(items jsonb, wanted jsonb, usual int, able int, base timestamptz, last_seq bigint, action text)
returns table (id uuid, seq bigint, cid text, created timestamptz, status text, replicas int, counted_bytes bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  org uuid := current_org();
begin
  return query
  insert into pins as p (org_id, id, seq, cid, cid_text, name, name_folded, meta, origins, replicas, status, attempts_before,
    counted_bytes, shown_bytes, created, accepted_at)
  select org, i.id, last_seq + i.place, i.cid, i."cidText", i.name, i.folded, i.meta, i.origins, w.replicas,
    fold_status('queued', least(w.replicas, able), coalesce((w.w ->> 'pinned')::bigint, 0),
      coalesce((w.w ->> 'pinning')::bigint, 0), 1, 0),
    coalesce((w.w ->> 'attempts')::int, 0), coalesce((w.w ->> 'size')::bigint, 0) * w.replicas,
    shown_bytes(i.meta, i.name, i.origins, w.replicas), base + make_interval(secs => (i.place - 1) / 1000.0), clock_timestamp()
  from rows from (jsonb_to_recordset(items) as (id uuid, cid text, "cidText" text, name text, folded text, meta jsonb,
    origins text[], replicas int)) with ordinality as i (id, cid, "cidText", name, folded, meta, origins, replicas, place)
  cross join lateral (select wanted -> i.cid as w, coalesce(i.replicas, usual) as replicas) w
  returning p.id, p.seq, p.cid, p.created, p.status, p.replicas::int, p.counted_bytes;

  insert into pin_meta (org_id, key, value, seq)
  select org, meta_key(m.key), meta_key(m.value), last_seq + i.place
  from rows from (jsonb_to_recordset(items) as (meta jsonb)) with ordinality as i (meta, place), jsonb_each_text(i.meta) m
  where i.meta is not null;
  insert into audit_log (id, org_id, actor, action, target, details)
  select i."auditId", org, i.actor, action, i."publicId", i.audit
  from jsonb_to_recordset(items) as i ("auditId" uuid, actor text, "publicId" text, audit jsonb);
end $$;
grant execute on function insert_pins to anchorage_tenant;
