-- Records how claims of this node's incarnation `boot` ended, and folds the pins of their contents. `finishes`: [{cid, generation, kind,
-- errorCode?, error?, delayMs?, blocks?, bytes?, foreignPin?}]; `kind` is pinned, retry, failed, released (handed back unfinished),
-- unpinned or kept (not unpinned, since it is the last copy). remove_unpinned, keep_copies and record_outcomes say what each one does.
-- The commit does not wait for the disk, so that no accept of the same org waits for it behind these locks: an outcome that Postgres loses
-- in a crash is found out again from Kubo.
-- Locks: contents in cid order; placements in cid order; then pins, reserved_bytes, org_usage and pin_counts, and after a refusal the
-- placements of released content (fold_contents).
-- Returns: the placements whose intent changed during the claim; they can be claimed now. `attempt` is the number of the next attempt.
create or replace function finish_placements(node uuid, boot bigint, finishes jsonb)
returns table (cid text, generation bigint, attempt int, org_id uuid)
language plpgsql as $$
#variable_conflict use_column
declare
  cids text[];
  tids tid[];
  at timestamptz;
begin
  perform set_config('synchronous_commit', 'off', true);
  select coalesce(array_agg(x.cid), '{}') into cids from jsonb_to_recordset(finishes) as x (cid text);
  perform from contents c where c.cid = any (cids) order by c.cid for update;
  at := clock_timestamp();
  -- The lateral looks up each row by its key, which no planner turns round, and later statements change the rows by ctid: a plan that was
  -- made while the tables were small must not scan them when they are large.
  select array_agg(p.ctid) into tids
  from (select x.* from jsonb_to_recordset(finishes) as x (cid text, generation bigint) order by x.cid) x
  cross join lateral (
    select q.ctid from placements q where q.cid = x.cid and q.node_id = node and q.claimed_by = boot
      and q.claimed_generation = x.generation for update) p;
  if tids is null then return; end if;

  perform remove_unpinned(tids, finishes);
  if finishes @> '[{"kind": "kept"}]' then tids := tids || keep_copies(tids, finishes); end if;
  return query select * from record_outcomes(node, cids, tids, at, finishes);
  perform fold_contents(cids);
end $$;
