-- min_code: 22
-- The one row says which node may collect garbage in its Kubo. Collecting holds up the Kubo's pins, so one node of the cluster does it at a
-- time. The node itself takes the turn and gives it back.

create table garbage_turn (
  one boolean primary key default true check (one),
  -- Null while no node has the turn.
  node_id uuid,
  -- From then on another node may take the turn.
  until timestamptz
);
insert into garbage_turn default values;

grant select, update on garbage_turn to anchorage_system;
