-- min_code: 22
-- One row is the name of a pin, for searches by a part of the name. An accept does not write it: that would cost about a third of an
-- accept, and most orgs never search like this. `note_names` inserts the names of an org once it searches, and later those of its newer
-- pins. A trigger deletes a name with its pin; nothing else of a pin that can change is kept here. An org has no access to the table; it
-- calls functions that run as `anchorage_system`.

create table pin_names (
  -- The key does not begin with the org, so an org's names are always found by the index below, and never by a walk over this one.
  pin_id uuid primary key,
  org_id uuid not null,
  seq bigint not null,
  -- Null: the same as `folded`.
  name text collate "C",
  folded text collate "C" not null
);

-- Which of an org's names have this text in them? The extension may be in another schema than the tables.
do $$
declare
  place regnamespace := (select extnamespace from pg_extension where extname = 'pg_trgm');
begin
  execute format('create index pin_names_by_part on pin_names using gin (org_id, folded %s.gin_trgm_ops)', place);
end $$;

grant select, insert, delete on pin_names to anchorage_system;
