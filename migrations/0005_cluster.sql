-- min_code: 1
-- Many nodes: what operators want of them, what the leader repairs, plans of moves, maintenance.

alter table nodes
  add column state text not null default 'active' check (state in ('active', 'draining', 'drained')),
  -- given up for down by the leader; until its sign is fresh again
  add column down_at timestamptz,
  -- how far the leader's walk over its placements came, in cid order; null when none is to be walked
  add column walk_after text collate "C",
  -- where its nats-server is reached by others, host:port
  add column route text,
  -- what it says of itself every ten seconds
  add column report jsonb,
  add column reported_at timestamptz,
  -- the operator lets its reconciler remove more than it dares to, once
  add column reconcile_confirmed_at timestamptz;

alter table contents
  -- the leader's repair is to look at it
  add column unsettled boolean not null default false;
create index contents_unsettled on contents (cid) where unsettled;

alter table placements
  -- on a node that was given up for down: counts for nothing until its node is back
  add column lost boolean not null default false,
  -- given up on purpose: a source, counts for nothing, goes once the wanted copies stand
  add column leaving boolean not null default false;
-- copies under way that no new pin waits for
create index placements_moving on placements (node_id) where reason <> 'new' and state in ('queued', 'pinning');

-- null: as many as the cluster's config says
alter table orgs alter column default_replicas drop not null, alter column default_replicas drop default;

-- What an org may know of the contents of its own pins: one row a placement (or one without, where there is none).
drop function pin_details(text[]);
create function pin_details(cids text[])
returns table (cid text, dag_size bigint, node_id uuid, state text, attempts int, error_code text, error text,
  next_attempt_at timestamptz, blocks bigint, bytes bigint, lost boolean, leaving boolean)
language sql stable security definer set search_path = public, pg_temp as $$
  select c.cid, c.dag_size, p.node_id, p.state, p.attempts, p.error_code, p.error, p.next_attempt_at, p.blocks, p.bytes, p.lost, p.leaving
  from contents c left join lateral (select * from placements q where q.cid = c.cid offset 0) p on true
  where c.cid = any (cids) and exists (select from pins where pins.cid = c.cid and pins.org_id = current_org())
$$;
revoke all on function pin_details(text[]) from public;
grant execute on function pin_details(text[]) to anchorage_tenant;
alter function pin_details(text[]) owner to anchorage_system;
