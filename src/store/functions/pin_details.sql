-- Shows the current org what it may know of its pins' contents: one row a placement, or one row with nulls for content without placements.
-- Content that was lost with a node has one row more, with the error code `lost` and without a node. It leaves out content that the org has
-- no pin of. Security definer: an org may not read contents and placements. One generic plan serves all calls of a connection: planning
-- each call cost more than reading.
-- Locks: nothing.
set local role anchorage_system;
create or replace function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint, lost boolean, leaving boolean)
language plpgsql stable security definer set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  -- Each `offset 0` makes Postgres look up the rows by key, content by content. Without it, a plan that was made while the org was small
  -- reads all of the org's pins, however many there are now.
  return query
    select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes, p.lost, p.leaving
    from contents c left join lateral (
      select q.node_id, q.state, q.attempts, q.error_code, q.error, q.next_attempt_at, q.blocks, q.bytes, q.lost, q.leaving
      from placements q where q.cid = c.cid
      union all
      select null, null, null, 'lost', null, null, null, null, null, null where c.lost_at is not null offset 0) p on true
    where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org() offset 0);
end $$;
grant execute on function pin_details to anchorage_tenant;
