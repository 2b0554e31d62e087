-- min_code: 22
-- The tables need this before them: two extensions and `current_org()`.
--
-- Each later file makes one table with all that belongs to it: columns, constraints, indexes, row-level security, grants and owner.
-- Functions and triggers are in src/store/functions. `migrate up` applies them after these files.
--
-- Roles. The owner runs these files. `anchorage_tenant` serves the requests of one org at a time, under row-level security.
-- `anchorage_system` runs the workers and the look-ups that concern several orgs; its policies show it every row. `anchorage_audit` only
-- owns the audit log and never logs in.
--
-- Locks. Every transaction that touches content takes its locks in this order:
--   1. the org's row; for the leader, the row of `cluster`
--   2. `hold_nodes()`, so that no node is closed meanwhile
--   3. contents, in the order of their CIDs
--   4. placements
--   5. pins
--   6. `org_usage`, in the order of orgs
--   7. `pin_counts`, in the order of its key

-- `pin_names` searches for parts of names with a trigram index that begins with the org's uuid.
create extension if not exists btree_gin;
create extension if not exists pg_trgm;

-- The org that the transaction speaks for. Null, which matches no row, when the transaction set none. The setting reads '' after a commit.
-- The policies of the tables depend on this function, so it is the only one that a migration makes.
create function current_org() returns uuid language sql stable parallel safe
  return nullif(current_setting('anchorage.org_id', true), '')::uuid;
revoke all on function current_org() from public;
grant execute on function current_org() to anchorage_system, anchorage_tenant;
