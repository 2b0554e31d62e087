-- min_code: 22
-- One row says up to which pin an org's names are in `pin_names`. `note_names` writes it. An org whose names were never noted has no row.
-- An org has no access to the table; it calls functions that run as `anchorage_system`.

create table name_marks (
  org_id uuid primary key references orgs on delete cascade,
  -- `seq` and `created` of the last pin whose name was noted.
  seq bigint not null,
  created timestamptz not null
);

grant select, insert, update, delete on name_marks to anchorage_system;
