-- min_code: 1
-- A database that came from a backup knows it: Kubos may have what it has never heard of.

alter table cluster
  -- which restore this book came from, and when; null: none. Whoever remembers another has seen another book.
  add column restore_id uuid,
  add column restored_at timestamptz,
  add constraint restore_whole check ((restore_id is null) = (restored_at is null));

alter table nodes
  -- the restore after which an operator let this node's reconciler act; until then it only reports
  add column confirmed_restore uuid;

-- a backup notes how far the numbers are, a restore goes on beyond
grant select, update on sequence placement_generation to anchorage_system;
