-- min_code: 22
-- One row is a pin of ours in a node's Kubo that no pin of an org wants. The node's reconciler writes the rows while it may not remove
-- these pins, for an operator who decides, and deletes them afterwards. An org has no access to the table.

create table unwanted_pins (
  node_id uuid not null references nodes (id) on delete cascade,
  cid text collate "C" not null,
  -- The run of the reconciler that found it.
  seen_at timestamptz not null,
  primary key (node_id, cid)
);

-- Which nodes have an unwanted pin of this content?
create index unwanted_pins_of_content on unwanted_pins (cid);

grant select, insert, delete on unwanted_pins to anchorage_system;
