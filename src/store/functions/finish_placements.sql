-- Records how claims of this node's incarnation `boot` ended, and folds the pins of their contents. `finishes`: [{cid, generation, kind,
-- errorCode?, error?, delayMs?, blocks?, bytes?, foreignPin?}]; `kind` is pinned, retry, failed, released (handed back unfinished) or
-- unpinned. When the placement has another generation than the claim, the finish only ends the claim, and the next attempt looks at Kubo
-- first (`verify`).
-- The commit does not wait for the disk, so that no accept of the same org waits for it behind these locks: an outcome that Postgres loses
-- in a crash is found out again from Kubo.
-- A content is marked for the leader's repair when a copy that a repair or a move made is pinned or has failed, when one of several copies
-- has failed, when the node has no room, and when there are more copies than wanted.
-- Locks: contents in cid order; placements in cid order; then pins, reserved_bytes, org_usage and pin_counts (fold_contents).
-- Returns: the placements whose intent changed during the claim; they can be claimed now. `attempt` is the number of the next attempt.
create or replace function finish_placements(node uuid, boot bigint, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
  tids tid[];
  at timestamptz;
  gone text;
begin
  perform set_config('synchronous_commit', 'off', true);
  select coalesce(array_agg(x.cid), '{}') into cids from jsonb_to_recordset(finishes) as x (cid text);
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  at := clock_timestamp();
  select array_agg(p.ctid) into tids
  from (select x.* from jsonb_to_recordset(finishes) as x (cid text, generation bigint) order by x.cid) x
  cross join lateral (
    select q.ctid from placements q where q.cid = x.cid and q.node_id = node and q.claimed_by = boot
      and q.claimed_generation = x.generation for update) p;
  if tids is null then return; end if;

  for gone in
    delete from placements q using jsonb_to_recordset(finishes) as f (cid text, generation bigint, kind text)
    where q.ctid = any (tids) and q.cid = f.cid and q.generation = f.generation and f.kind = 'unpinned'
    returning q.cid
  loop
    if not exists (select from placements q where q.cid = gone) and not is_wanted(gone) then
      delete from contents c where c.cid = gone and not exists (select from pins p where p.cid = gone);
    end if;
  end loop;

  return query
  with ended as (
    update placements q set
      state = case when not f.holds or q.state = 'unpinning' then q.state when f.woken then 'queued'
        when f.kind in ('pinned', 'failed') then f.kind else 'queued' end,
      attempts = q.attempts - case when f.holds and f.kind = 'released' and q.state = 'pinning' then 1 else 0 end,
      retrying = case when f.holds then not f.woken and (f.kind = 'retry' or (f.kind = 'released' and q.retrying)) else q.retrying end,
      crashes = case when f.holds then 0 else q.crashes end,
      verify = case when f.holds then f.kind <> 'pinned' and (q.verify or f.kind = 'released') else true end,
      next_attempt_at = case when not f.holds then q.next_attempt_at
        when f.kind = 'retry' and not f.woken then at + make_interval(secs => f."delayMs" / 1000.0) else at end,
      error_code = case when f.holds and f.kind <> 'released' then f."errorCode" else q.error_code end,
      error = case when f.holds and f.kind <> 'released' then f.error else q.error end,
      blocks = case when f.holds then coalesce(f.blocks, q.blocks) else q.blocks end,
      bytes = case when f.holds then coalesce(f.bytes, q.bytes) else q.bytes end,
      foreign_pin = case when f.holds then coalesce(f."foreignPin", q.foreign_pin) else q.foreign_pin end,
      claimed_until = null, claimed_by = null, claimed_generation = null
    from (
      select x.*, p.ctid as tid, p.generation = x.generation as holds,
        -- a pin asked for the content during the attempt: try again at once
        x.kind in ('retry', 'failed') and p.wanted_since > p.next_attempt_at as woken
      from jsonb_to_recordset(finishes) as x (cid text, generation bigint, kind text, "errorCode" text, error text,
        "delayMs" bigint, blocks bigint, bytes bigint, "foreignPin" boolean)
      cross join lateral (select q.ctid, q.generation, q.wanted_since, q.next_attempt_at from placements q
                          where q.cid = x.cid and q.node_id = node and q.ctid = any (tids) offset 0) p) f
    where q.ctid = f.tid
    returning q.cid, q.generation, q.state, q.attempts - q.attempts_before as attempts, q.org_id, q.reason, q.error_code, f.holds, f.kind,
      f.blocks, f.bytes
  ), sized as (
    update contents c set dag_size = greatest(c.dag_size, e.bytes), block_count = greatest(c.block_count, e.blocks),
      unsettled = c.unsettled or e.reason <> 'new'
        -- more copies than wanted, or one that failed before there was a copy to fetch from
        or (select count(*) filter (where q.state <> 'unpinning' and not q.lost) > c.wanted or bool_or(q.state = 'failed')
            from placements q where q.cid = e.cid)
    from ended e where c.cid = any (cids) and c.cid = e.cid and e.holds and e.kind = 'pinned'
  ), refused as (
    update contents c set unsettled = true from ended e
    where c.cid = any (cids) and c.cid = e.cid and e.holds and not c.unsettled
      and (e.error_code = 'node_full' and e.kind in ('failed', 'retry') or e.kind = 'failed'
        and (e.reason <> 'new' or exists (select from placements q where q.cid = e.cid and q.node_id <> node)))
  )
  select e.cid, e.generation, e.attempts + 1, e.org_id from ended e where not e.holds and e.state in ('queued', 'unpinning');
  perform fold_contents(cids);
end $$;
