-- Removes one pin of the current org, in whatever state it is. Content that no pin wants any more stays pinned for `grace_ms` ms. For an
-- org with a limit of bytes there is no grace, since the kept bytes would count for no org.
-- Locks: the org's row; the pin's contents in cid order; the pin; pin_meta; reserved_bytes, org_usage and placements (release_contents);
-- org_usage; pin_counts in key order.
-- Returns: one row. `found` is false when the org has no such pin. `woken` are the placements to hint at: [{cid, nodeId, generation}], or
-- null.
create or replace function remove_pin(pin uuid, grace_ms bigint, audit_id uuid, actor text, public_id text)
returns table (found boolean, woken jsonb)
language plpgsql set plan_cache_mode = force_generic_plan as $$
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
grant execute on function remove_pin to anchorage_tenant;
