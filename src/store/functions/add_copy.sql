-- Makes a placement of a content on a node, for a repair or a move. A placement there that is being unpinned or has failed is queued again
-- under a new generation. One in another state keeps it, and counts as a copy again (neither lost nor leaving).
-- A new placement belongs to no org (the null uuid): no client waits for it, so it must not delay the pins of an org.
-- Locks: the placement. The caller holds the content, and hold_nodes.
-- Returns: the generation to hint; null when the placement is not queued, and there is nothing to hint.
create or replace function add_copy(of_cid text, on_node uuid, because text) returns bigint language sql as $$
  insert into placements as p (cid, node_id, generation, state, reason, org_id, wanted_since, next_attempt_at)
  values (of_cid, on_node, nextval('placement_generation'), 'queued', because, '00000000-0000-0000-0000-000000000000',
    clock_timestamp(), clock_timestamp())
  on conflict (cid, node_id) do update set
    state = case when p.state in ('unpinning', 'failed') then 'queued' else p.state end,
    generation = case when p.state in ('unpinning', 'failed') then excluded.generation else p.generation end,
    reason = case when p.state in ('unpinning', 'failed') then excluded.reason else p.reason end,
    verify = p.verify or p.state = 'unpinning', lost = false, leaving = false,
    attempts_before = p.attempts, retrying = false, crashes = 0, wanted_since = excluded.wanted_since,
    next_attempt_at = least(p.next_attempt_at, excluded.next_attempt_at)
  returning case when state = 'queued' then generation end
$$;
