-- min_code: 1
-- Collecting garbage in Kubo holds up its pins, so one node of the cluster does it at a time.

create table garbage_turn (
  one boolean primary key default true check (one),
  node_id uuid,
  until timestamptz
);
insert into garbage_turn default values;
grant select, update on garbage_turn to anchorage_system;
