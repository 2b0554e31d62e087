-- min_code: 1
-- What the leader sweeps up. Every write finds its leader's epoch, so that one who lost leadership and did not notice changes nothing.

-- Held to the end of the transaction; raises AN002 when another leader has been elected since.
create function assert_epoch(of_leader bigint) returns void language plpgsql as $$
begin
  perform from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
end $$;

-- The same, for all that rests in maintenance (AN003): sweeps and repairs. Whoever switches maintenance on waits for what is under way,
-- and nothing begins after.
create function assert_leading(of_leader bigint) returns void language plpgsql as $$
declare
  reason text;
begin
  select maintenance_reason into reason from cluster where epoch = of_leader for share;
  if not found then raise exception 'epoch % is over', of_leader using errcode = 'AN002'; end if;
  if reason is not null then raise exception 'maintenance is on: %', reason using errcode = 'AN003'; end if;
end $$;

-- Claims whose time ran out, or whose incarnation is over.
create function requeue_expired(of_leader bigint, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
begin
  perform assert_leading(of_leader);
  select array_agg(distinct q.cid) into cids from (
    select p.cid from nodes n cross join lateral (
      select * from placements p where p.node_id = n.id and p.state = 'pinning'
        and (p.claimed_until < clock_timestamp() or p.claimed_by < n.incarnation) limit most) p
    limit most) q;
  if cids is not null then return query select * from requeue_crashed(cids); end if;
end $$;

-- Contents whose time to be unpinned has come and that still nobody wants: their placements are to be unpinned.
create function release_due(of_leader bigint, most int)
returns table (cid text, node_id uuid, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  due text[];
  gone text;
begin
  perform assert_leading(of_leader);
  -- picked by time, locked in cid order
  select array_agg(q.cid) into due from (
    select c.cid from contents c where c.unpin_after <= clock_timestamp() order by c.unpin_after limit most) q;
  if due is null then return; end if;
  perform lock_contents(due);
  for gone in select c.cid from contents c where c.cid = any (due) and c.unpin_after <= clock_timestamp() order by c.cid loop
    update contents c set unpin_after = null where c.cid = gone;
    continue when is_wanted(gone);
    return query
    update placements p set state = 'unpinning', leaving = false, generation = nextval('placement_generation'),
      next_attempt_at = clock_timestamp()
    where p.cid = gone and p.state <> 'unpinning'
    returning p.cid, p.node_id, p.generation, 1, null::uuid;
    if not exists (select from placements p where p.cid = gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;
end $$;

-- Pins that stand let go of what a replace made them hold. Returns how many pins were done.
create function release_holds(of_leader bigint, most int, grace_ms bigint) returns int language plpgsql as $$
declare
  held text[];
  p record;
  done int := 0;
begin
  perform assert_leading(of_leader);
  select array_agg(distinct h) into held
  from (select holds from pins where holds is not null and status = 'pinned' order by org_id, id limit most) q, unnest(q.holds) h;
  if held is null then return 0; end if;
  perform lock_contents(held);
  -- read again under the locks; what was added since waits for the next round
  for p in select org_id, id from pins where holds is not null and status = 'pinned' and holds <@ held
           order by org_id, id limit most for update loop
    update pins q set holds = null where q.org_id = p.org_id and q.id = p.id;
    done := done + 1;
  end loop;
  perform release_contents(held, grace_ms);
  return done;
end $$;

-- Folds that stopped at their limit go on.
create function continue_folds(of_leader bigint, most int) returns int language plpgsql as $$
declare
  cids text[];
begin
  perform assert_leading(of_leader);
  select array_agg(q.cid) into cids from (
    select cid from contents where folding order by cid limit 10 for update skip locked) q;
  if cids is null then return 0; end if;
  perform fold_contents(cids, most);
  return most;
end $$;

do $$
declare
  f text;
begin
  foreach f in array array['assert_epoch(bigint)', 'assert_leading(bigint)', 'requeue_expired(bigint, int)', 'release_due(bigint, int)',
      'release_holds(bigint, int, bigint)', 'continue_folds(bigint, int)'] loop
    execute format('revoke all on function %s from public', f);
    execute format('grant execute on function %s to anchorage_system', f);
  end loop;
end $$;
