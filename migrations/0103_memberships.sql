-- min_code: 22
-- One row is a user's role in an org. A login writes the rows that follow from the groups of the identity provider; admins write the
-- others.

create table memberships (
  org_id uuid not null references orgs,
  user_id uuid not null references users,
  role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
  -- `login`: follows from a group of the identity provider, and is computed again at each login. `manual`: set by hand; a login leaves it.
  source text not null check (source in ('login', 'manual')),
  since timestamptz not null default clock_timestamp(),
  primary key (org_id, user_id)
);

-- Which orgs is this user a member of?
create index memberships_of_user on memberships (user_id);

alter table memberships enable row level security, force row level security;
create policy system_all on memberships to anchorage_system using (true) with check (true);
create policy own_rows on memberships to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());
-- An org sees those users that are its members.
create policy own_members on users for select to anchorage_tenant
  using (exists (select from memberships m where m.user_id = users.id and m.org_id = current_org()));

grant select, insert, update, delete on memberships to anchorage_system, anchorage_tenant;
