-- Removes a pin that the pin `successor`, with the content `new_cid`, replaces. `held`: the contents that the old pin held, as accept_pins
-- read and locked them. `limited`: whether the org has a byte limit.
-- While the successor is not pinned, it holds the content that was pinned for the old pin, and no more. So a pin holds at most one other
-- content, however often it is replaced. With a byte limit it holds none, since no pin counts the bytes of held content.
-- The contents that it does not hold are released as by a delete: unpinned after `grace_ms`, or at once with a byte limit.
-- Locks: the successor, the rows of pin_meta, the old pin, then what release_contents locks (placements, org_usage). The caller holds the
-- org's row and all these contents.
-- Returns: one row: the old pin's bucket in pin_counts, its status, and the bytes that it counted.
-- It runs with accept_pins' setting of plan_cache_mode: a setting of its own would cost more at each call.
create or replace function remove_replaced(replaced uuid, held text[], successor uuid, new_cid text, limited boolean, grace_ms bigint)
returns table (bucket bigint, status text, counted_bytes bigint)
language plpgsql as $$
#variable_conflict use_column
declare
  org uuid := current_org();
  old record;
  kept text[];
begin
  select p.cid, p.seq, p.meta, p.status into old from pins p where p.org_id = org and p.id = replaced;
  kept := array_remove(case when limited then '{}' when old.status = 'pinned' then array[old.cid] else held end, new_cid);
  update pins p set holds = nullif(kept, '{}') where p.org_id = org and p.id = successor;
  if old.meta is not null then perform forget_meta(org, old.meta, old.seq); end if;
  -- the old pin is locked only here, and a finish may have changed its status since it was read: what the delete returns is right
  delete from pins p where p.org_id = org and p.id = replaced
  returning p.seq >> 10, p.status, p.counted_bytes into bucket, status, counted_bytes;
  if new_cid = any (array_append(held, old.cid)) then perform lower_wanted(array[new_cid]); end if;
  perform release_contents(array(select distinct c from unnest(array_append(held, old.cid)) c where c <> new_cid and c <> all (kept)),
    case when limited then 0 else grace_ms end);
  return next;
end $$;
grant execute on function remove_replaced to anchorage_tenant;
