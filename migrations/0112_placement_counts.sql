-- min_code: 22
-- One row is the number of placements of one node, state and reason. Only the leader writes it, when it adds up `placement_changes`. The
-- exact number is the sum of both tables. Operators read these, so their figures cost the same however many placements there are.

create table placement_counts (
  node_id uuid not null,
  -- The placement's state; `lost` for each placement on a node that was given up as down.
  state text collate "C" not null,
  reason text collate "C" not null,
  n bigint not null,
  -- The bytes of the pinned ones; 0 for the other states.
  bytes bigint not null,
  primary key (node_id, state, reason)
);

grant select, insert, update, delete on placement_counts to anchorage_system;
