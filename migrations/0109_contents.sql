-- min_code: 22
-- One row is a content: a CID that pins want or that nodes still hold, shared by all orgs. An accept inserts it; the reconciler inserts one
-- that it finds in Kubo and nowhere else. The transactions that change its pins and placements change it. It is deleted, under its lock,
-- when no pin and no placement of it is left. An org has no access to the table; it calls functions that run as `anchorage_system`.

create table contents (
  -- A CID is known by its bytes, so it has one text: base58btc for version 0, lower-case base32 without `=` for version 1.
  cid text collate "C" primary key constraint cid_is_lower_case check (cid !~ '^b.*[A-Z=]'),
  -- How many copies there should be: the largest number of replicas among its pins. Refused pins do not count. It stays as it is while
  -- pins only hold the content.
  wanted smallint not null check (wanted between 1 and 100),
  -- Repair has to look at it: its copies may be too few, too many, or on nodes that are to give them up.
  unsettled boolean not null default false,
  -- The fold of its pins (`fold_contents`) stopped at its limit of pins, and has to go on.
  folding boolean not null default false,
  -- The size of the DAG; null until a copy was pinned.
  dag_size bigint,
  block_count bigint,
  -- No pin wants it any more: its copies are unpinned after this time, unless a pin wants it again.
  unpin_after timestamptz
) with (fillfactor = 80);

-- Which contents are to be unpinned now?
create index contents_to_unpin on contents (unpin_after) where unpin_after is not null;
-- Which folds have to go on?
create index contents_folding on contents (cid) where folding;
-- Which contents does repair have to look at?
create index contents_unsettled on contents (cid) where unsettled;

grant select, insert, update, delete on contents to anchorage_system;
