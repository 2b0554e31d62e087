-- min_code: 22
-- One row is a node: one anchorage process with its Kubo. The process inserts it when it starts for the first time, and writes a sign of
-- life every ten seconds. The leader notes whether the node is down and how far its repair is; operators drain the node, or delete it for
-- good.

create table nodes (
  id uuid primary key,
  name text not null unique,
  zone text,
  created_at timestamptz not null default now(),

  -- The Kubo that the node belongs to, for ever: its placements describe the repository of this Kubo.
  peer_id text,
  multiaddrs text[] not null default '{}',
  capacity_bytes bigint,
  used_bytes bigint,

  -- The number of the process that runs now: each start takes the next one. Claims of earlier incarnations are void.
  incarnation bigint not null default 1,
  last_seen timestamptz not null default now(),
  -- Where the other nodes' nats-servers reach this node's nats-server, host:port.
  route text,
  -- What the node reports about itself every ten seconds, for operators.
  report jsonb,
  reported_at timestamptz,

  -- A node that is not `active` takes no new content. `draining`: an operator wants its copies on other nodes. `drained`: none is left on
  -- it, or an operator deletes the node for good.
  state text not null default 'active' check (state in ('active', 'draining', 'drained')),
  -- When the drain began.
  cordoned_at timestamptz,
  -- When the node was last seen, if the leader gave it up as down; null once it is back.
  down_at timestamptz,
  -- The leader's repair walks over the node's placements, in CID order. This is the last CID of the walk so far, '' at its start; null when
  -- there is no walk.
  walk_after text collate "C",

  -- An operator allowed the node's reconciler to remove more than its limit, once.
  reconcile_confirmed_at timestamptz,
  -- The restore (`cluster.restore_id`) after which an operator allowed the node's reconciler to act. Until then it only reports.
  confirmed_restore uuid
) with (fillfactor = 70);

-- Which nodes take no new content? Every accept asks this; the index is usually empty.
create index nodes_closed on nodes (id) where state <> 'active';

grant select, insert, update, delete on nodes to anchorage_system;
