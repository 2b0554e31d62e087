-- Finds the items that the current org may not add. `items`: [{id, cid, replicas?}]; an item without `replicas` has `usual`. A null limit
-- allows everything. Each item that fits counts for the items after it. A replace takes the place of the old pin: it is refused only
-- if it adds bytes. Bytes count once for each copy, those of content that is still arriving too.
-- Work that ends meanwhile may add bytes to the org, so accept_pins checks the sum again when it writes it.
-- Locks: nothing. The caller holds the org's row.
-- Returns: {id: {limit: 'replicas' | 'pins' | 'bytes', may, has}}; {} if every item fits.
create or replace function beyond_limits(items jsonb, usual int, max_pins bigint, max_bytes bigint, max_replicas int, replaces uuid)
returns jsonb
language plpgsql as $$
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
  -- most often all of them fit, and one pass over them shows it
  if replaces is null and (max_pins is null or pins + jsonb_array_length(items) <= max_pins) and (
    select (max_replicas is null or coalesce(max(x.replicas), 0) <= max_replicas)
      and (max_bytes is null or bytes + coalesce(sum((sizes ->> x.cid)::bigint * coalesce(x.replicas, usual)), 0) < max_bytes)
    from jsonb_to_recordset(items) as x (cid text, replicas int))
  then return refused; end if;
  -- the bytes that leave with the replaced pin: those that it counts, and those reserved for its content unless another pin of the org
  -- waits for that content
  select p.cid, p.counted_bytes + coalesce((select r.bytes from reserved_bytes r where r.cid = p.cid and r.org_id = org and not exists (
      select from pins q where q.cid = p.cid and q.org_id = org and q.id <> replaces and q.error_code is null)), 0) as bytes
  into old from pins p where p.org_id = org and p.id = replaces;
  for i in select x.* from jsonb_to_recordset(items) as x (id uuid, cid text, replicas int) loop
    size := (sizes ->> i.cid)::bigint * coalesce(i.replicas, usual);
    -- a content of unknown size fits while there is any room; no room is needed for the content that the replaced pin has already
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
grant execute on function beyond_limits to anchorage_tenant;
