-- min_code: 22
-- One row is one content on one node. Accepts, repair, moves and the reconciler make it, under the content's lock. Its node claims it,
-- reports progress and writes the outcome. It is deleted when its unpin is done, when it is given up before the first attempt, or with its
-- node. An org has no access to the table; it calls functions that run as `anchorage_system`.

-- The numbers of `placements.generation`. One sequence serves all placements, so no number ever means two intents. A backup notes how far
-- it came, and a restore continues beyond that.
create sequence placement_generation as bigint;
grant usage, select, update on sequence placement_generation to anchorage_system;

-- Without foreign keys: only functions write here, under the content's lock, and two look-ups for each row would slow down accepts.
create table placements (
  cid text collate "C" not null,
  node_id uuid not null,
  -- The number of the present intent, to pin or to unpin. It is taken when the row is made and at each change of intent.
  generation bigint not null,
  state text not null check (state in ('queued', 'pinning', 'pinned', 'failed', 'unpinning')),
  -- Why the copy exists. `new`: a pin asked for it. The others: repair or a move made it.
  reason text not null check (reason in ('new', 'drain', 'node_down', 'rebalance', 'repair')),
  -- The org that asked first; fair shares are between these orgs. All zeros when no org waits for the copy.
  org_id uuid not null,

  -- The copy is on a node that the leader gave up as down. It does not count as a copy until the node is back.
  lost boolean not null default false,
  -- A move gives up the copy: it serves as a source, does not count as a copy, and is dropped once the wanted copies are pinned.
  leaving boolean not null default false,

  -- All attempts so far.
  attempts integer not null default 0,
  -- The value of `attempts` when the content was last asked for. The backoff counts from here.
  attempts_before integer not null default 0,
  -- Crashes in a row: claims that ended by neither a finish nor a release.
  crashes integer not null default 0,
  -- The next attempt is a retry. A node takes retries and first attempts separately, so that retries do not hold up new content.
  retrying boolean not null default false,
  -- An unpin or a crash came before: the node asks Kubo whether the content is pinned before it believes so.
  verify boolean not null default false,
  -- Kubo had a pin of this content before that is not ours. It is left alone.
  foreign_pin boolean not null default false,

  -- When the content was last asked for; `pin.maxAge` counts from here.
  wanted_since timestamptz not null,
  -- When the work is due. During a claim: when the claim began. `infinity`: put by, since only suspended orgs wait for it.
  next_attempt_at timestamptz not null,
  -- The claim; null when no node works on it. `claimed_by` is the incarnation of the node, `claimed_generation` the intent that it claimed.
  claimed_until timestamptz,
  claimed_by bigint,
  claimed_generation bigint,

  -- Progress of the attempt under way, or the result of the last one.
  blocks bigint not null default 0,
  bytes bigint not null default 0,
  error_code text,
  error text,

  primary key (cid, node_id)
) with (fillfactor = 70);

-- `claimed_until`, `blocks` and `bytes` are in no index, so the updates that extend claims are heap-only.

-- Which contents does this node have, in CID order?
create index placements_of_node on placements (node_id, cid);
-- Which placements are due on this node, org by org?
create index placements_due on placements (node_id, retrying, org_id, next_attempt_at) where state = 'queued';
-- Which placements are to be unpinned on this node now?
create index placements_unpinning on placements (node_id, next_attempt_at) where state = 'unpinning';
-- Which placements does this node work on? Their claims may have expired.
create index placements_pinning on placements (node_id) where state = 'pinning';
-- Which copies are under way that no new pin waits for? Copies that wait for a retry hold up no other copy, so they are left out.
create index placements_moving on placements (node_id)
  where reason <> 'new' and not lost and (state = 'pinning' or state = 'queued' and not retrying);
-- Which placements were put by?
create index placements_put_by on placements (cid) where next_attempt_at = 'infinity';

grant select, insert, update, delete on placements to anchorage_system;
