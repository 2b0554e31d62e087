-- min_code: 1
-- A content is known by its CID's bytes, so its CID has one text: base58btc of version 0, lower-case base32 of version 1. Before,
-- a text in base32 was kept as a client had sent it: with letters in upper case, or `=` behind it.

-- Nobody changes what is merged meanwhile: nodes wait.
lock table contents, placements, pins, plan_moves in share row exclusive mode;
set role anchorage_system;

-- Each such content becomes one with that of the usual text. Whether its copies stand in Kubo nobody can say (a delete of one pin
-- may have unpinned what another wants), so each is looked at again, and its pins read queued until then.
do $$
declare
  odd record;
begin
  for odd in select c.cid, rtrim(lower(c.cid), '=') as usual from contents c where c.cid ~ '^b.*[A-Z=]' order by c.cid loop
    insert into contents as c (cid, wanted, dag_size, block_count, unpin_after, unsettled)
    select odd.usual, o.wanted, o.dag_size, o.block_count, o.unpin_after, true from contents o where o.cid = odd.cid
    on conflict (cid) do update set wanted = greatest(c.wanted, excluded.wanted), dag_size = coalesce(c.dag_size, excluded.dag_size),
      block_count = coalesce(c.block_count, excluded.block_count),
      unpin_after = case when c.unpin_after is not null then greatest(c.unpin_after, excluded.unpin_after) end, unsettled = true;

    update pins p set cid = odd.usual, cid_text = coalesce(p.cid_text, odd.cid) where p.cid = odd.cid;
    update pins p set holds = (select array_agg(distinct h) from unnest(array_replace(p.holds, odd.cid, odd.usual)) h where h <> p.cid)
    where p.holds @> array[odd.cid];
    update plan_moves m set cid = odd.usual where m.cid = odd.cid;

    insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at, claimed_until, claimed_by,
      claimed_generation, foreign_pin, lost, leaving)
    select odd.usual, o.node_id, o.generation, o.state, o.reason, o.org_id, o.wanted_since, o.next_attempt_at, o.claimed_until, o.claimed_by,
      o.claimed_generation, o.foreign_pin, o.lost, o.leaving
    from placements o where o.cid = odd.cid
    on conflict (cid, node_id) do update set
      state = case when p.state = 'unpinning' then excluded.state else p.state end,
      claimed_until = greatest(p.claimed_until, excluded.claimed_until), claimed_by = coalesce(p.claimed_by, excluded.claimed_by),
      claimed_generation = coalesce(p.claimed_generation, excluded.claimed_generation),
      lost = p.lost or excluded.lost, leaving = p.leaving and excluded.leaving;
    -- a claim that is under way changes nothing any more, and is waited for
    update placements p set state = case when p.state in ('pinned', 'pinning') then 'queued' else p.state end,
      generation = nextval('placement_generation'), verify = true, attempts_before = p.attempts, retrying = false, crashes = 0,
      wanted_since = clock_timestamp(), next_attempt_at = clock_timestamp()
    where p.cid = odd.usual;

    delete from placements p where p.cid = odd.cid;
    delete from contents c where c.cid = odd.cid;
    perform fold_contents(array[odd.usual]);
  end loop;
end $$;

reset role;
alter table contents add constraint cid_is_lower_case check (cid !~ '^b.*[A-Z=]');
