-- Part of finish_placements: ends the claims of these placements (`tids`, their ctids, are of the contents `cids`) and records how the
-- attempts ended. When a placement has another generation than the claim, the finish only ends the claim, and the next attempt looks at
-- Kubo first (`verify`). A pinned content gets its size. A copy whose pin in Kubo is not ours is `leaving` while another node can have one,
-- since the pin's owner may remove it at any time (ADR 68). A content is marked for the leader's repair when a copy that a repair or a move
-- made is pinned or has failed, when a copy is leaving, when one of several copies has failed, when the node has no room, and when there
-- are more copies than wanted. The caller holds the placements and their contents.
-- Locks: nothing more.
-- Returns: the placements whose intent changed during the claim; they can be claimed now. `attempt` is the number of the next attempt.
create or replace function record_outcomes(node uuid, cids text[], tids tid[], at timestamptz, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
begin
  return query
  with ended as (
    update placements q set
      state = case when not f.holds or q.state = 'unpinning' then q.state when f.woken then 'queued'
        when f.kind in ('pinned', 'failed') then f.kind else 'queued' end,
      attempts = q.attempts - case when f.holds and f.kind = 'released' and q.state <> 'unpinning' then 1 else 0 end,
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
      leaving = q.leaving or case when f.holds and f.kind = 'pinned' and f."foreignPin" then exists (
        select from nodes n where n.id <> node and n.state = 'active' and n.down_at is null
          and not exists (select from placements o where o.cid = q.cid and o.node_id = n.id)) else false end,
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
    returning q.cid, q.generation, q.state, q.attempts - q.attempts_before as attempts, q.org_id, q.reason, q.error_code, q.leaving,
      f.holds, f.kind, f.blocks, f.bytes
  ), sized as (
    update contents c set dag_size = greatest(c.dag_size, e.bytes), block_count = greatest(c.block_count, e.blocks), lost_at = null,
      unsettled = c.unsettled or e.reason <> 'new' or e.leaving
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
end $$;
