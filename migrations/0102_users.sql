-- min_code: 22
-- One row is a person, known by the identity provider and the provider's id of the person. Each login writes it. No row is deleted.

create table users (
  id uuid primary key,
  issuer text collate "C" not null,
  subject text collate "C" not null,
  name text,
  email text,
  -- Whether the person may do what operators do, as the last login said.
  operator boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  unique (issuer, subject)
);

-- The policy `own_members`, which shows an org its members, is in the file of `memberships`: it needs that table.
alter table users enable row level security, force row level security;
create policy system_all on users to anchorage_system using (true) with check (true);

grant select, insert, update, delete on users to anchorage_system;
grant select (id, name, email) on users to anchorage_tenant;
