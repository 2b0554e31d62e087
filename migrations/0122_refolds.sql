-- min_code: 22
-- The one row is a walk over the contents that lack copies. No pin waits for more copies than there are nodes, so when nodes come or go,
-- such pins may get another status. A trigger of `nodes` begins the walk, and the leader carries it out.

create table refolds (
  one boolean primary key default true check (one),
  -- The last CID of the walk so far, in CID order, '' at its start; null when there is no walk.
  after text collate "C"
);
insert into refolds default values;

grant select, update on refolds to anchorage_system;
