-- min_code: 1
-- People, what they are in which org, and their logins; what an org may have, and what it has.

alter table orgs
  -- the most replicas that one of its pins may ask for
  add column max_replicas smallint check (max_replicas between 1 and 100);

-- What the pins of an org add up to, in bytes. A row of its own, since work that ends changes it without the org's row. Locked after pins
-- and before pin_counts, in the order of orgs.
create table org_usage (
  org_id uuid primary key,
  bytes bigint not null
) with (fillfactor = 50);

-- ---------------------------------------------------------------- people

create table users (
  id uuid primary key,
  issuer text collate "C" not null,
  subject text collate "C" not null,
  name text,
  email text,
  -- as the last login said
  operator boolean not null default false,
  created_at timestamptz not null default clock_timestamp(),
  unique (issuer, subject)
);

create table memberships (
  org_id uuid not null references orgs,
  user_id uuid not null references users,
  role text not null check (role in ('viewer', 'member', 'admin', 'owner')),
  -- login: by a group of the identity provider, worked out anew at each login
  source text not null check (source in ('login', 'manual')),
  since timestamptz not null default clock_timestamp(),
  primary key (org_id, user_id)
);
create index memberships_of_user on memberships (user_id);

create table sessions (
  id uuid primary key,
  -- SHA-256 of what the cookie says
  hash bytea not null unique,
  user_id uuid not null references users,
  -- the identity provider's own id of it
  provider_sid text,
  -- for the provider's logout page; gone once the session ended
  id_token text,
  user_agent text,
  address text,
  created_at timestamptz not null default clock_timestamp(),
  last_seen_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  ended_at timestamptz
) with (fillfactor = 70);
create index sessions_of_user on sessions (user_id, created_at);
create index sessions_by_provider on sessions (provider_sid) where provider_sid is not null;
create index sessions_over on sessions (coalesce(ended_at, expires_at));

-- Logout tokens of identity providers, each taken once: SHA-256 of its jti.
create table logout_tokens (
  issuer text collate "C" not null,
  jti bytea not null,
  until timestamptz not null,
  primary key (issuer, jti)
);
create index logout_tokens_over on logout_tokens (until);

-- The person or the token that made it; neither: an operator, by command.
alter table api_tokens
  add column made_by_user uuid references users,
  add column made_by_token uuid,
  add constraint api_tokens_one_maker check (made_by_user is null or made_by_token is null);
create index api_tokens_made_by_user on api_tokens (made_by_user) where made_by_user is not null;
create index api_tokens_made_by_token on api_tokens (made_by_token) where made_by_token is not null;

-- Ends tokens, and those that they made, and so on; answers with those that this ended. A row is locked before what it made is looked for,
-- and who makes a token holds its maker's row to the commit: none is overlooked.
create function revoke_tokens(ids uuid[]) returns table (id uuid, org_id uuid) language plpgsql as $$
#variable_conflict use_column
begin
  while ids <> '{}' loop
    perform from api_tokens t where t.id = any (ids) order by t.id for update;
    insert into token_denylist (jti, until) select t.id, t.expires_at from api_tokens t where t.id = any (ids)
    on conflict (jti) do nothing;
    return query update api_tokens t set revoked_at = clock_timestamp()
      where t.id = any (ids) and t.revoked_at is null returning t.id, t.org_id;
    ids := array(select t.id from api_tokens t where t.made_by_token = any (ids) and t.revoked_at is null);
  end loop;
end $$;

-- The same for an org, of its own tokens; with the version for those who remember tokens.
create function revoke_own_tokens(ids uuid[]) returns table (revoked uuid[], version bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone uuid[];
begin
  gone := array(select r.id from revoke_tokens(array(
    select t.id from api_tokens t where t.id = any (ids) and t.org_id = current_org())) r);
  return query select gone, c.version from cache_versions c where c.cache = 'tokens';
end $$;

-- ---------------------------------------------------------------- row-level security

do $$
declare
  t text;
begin
  foreach t in array array['org_usage', 'users', 'memberships'] loop
    execute format('alter table %I enable row level security', t);
    execute format('alter table %I force row level security', t);
    execute format('create policy system_all on %I to anchorage_system using (true) with check (true)', t);
  end loop;
end $$;
create policy own_rows on org_usage to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());
create policy own_rows on memberships to anchorage_tenant using (org_id = current_org()) with check (org_id = current_org());
create policy own_members on users for select to anchorage_tenant
  using (exists (select from memberships m where m.user_id = users.id and m.org_id = current_org()));
create policy own_tokens on api_tokens for select to anchorage_tenant using (org_id = current_org());

grant select on org_usage to anchorage_tenant;
grant select, insert, update, delete on memberships to anchorage_tenant;
grant select (id, name, email) on users to anchorage_tenant;
grant select on api_tokens to anchorage_tenant;
grant select, insert, update, delete on org_usage, users, memberships, sessions, logout_tokens to anchorage_system;

revoke all on function revoke_tokens(uuid[]), revoke_own_tokens(uuid[]) from public;
grant execute on function revoke_tokens(uuid[]) to anchorage_system;
grant execute on function revoke_own_tokens(uuid[]) to anchorage_tenant;
alter function revoke_own_tokens(uuid[]) owner to anchorage_system;
