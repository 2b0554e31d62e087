-- min_code: 1
-- What an org may know of its pins' contents is planned once a connection: planning it at each call cost more than reading did.

drop function pin_details(text[]);
create function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint, lost boolean, leaving boolean)
language plpgsql stable security definer set search_path = public, pg_temp set plan_cache_mode = force_generic_plan as $$
#variable_conflict use_column
begin
  -- Each `offset 0` has its rows looked up by key, content by content: without it a plan made while the org was small goes through all
  -- of the org's pins, however many they are now.
  return query
    select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes, p.lost, p.leaving
    from contents c left join lateral (select * from placements q where q.cid = c.cid offset 0) p on true
    where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org() offset 0);
end $$;
revoke all on function pin_details(text[]) from public;
grant execute on function pin_details(text[]) to anchorage_tenant;
alter function pin_details(text[]) owner to anchorage_system;
