-- min_code: 22
-- One row says by how much one kind of placement grew or shrank. The triggers of `placements` insert one or two rows a statement, however
-- many placements it changes. No row is updated, so no writer waits for another. The leader adds the rows up in `placement_counts` and
-- deletes them.
-- The columns are those of `placement_counts`, in the same order: readers take the union of both.

create table placement_changes (
  node_id uuid not null,
  state text collate "C" not null,
  reason text collate "C" not null,
  n bigint not null,
  bytes bigint not null
);

grant select, insert, update, delete on placement_changes to anchorage_system;
