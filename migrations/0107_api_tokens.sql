-- min_code: 22
-- One row is an access token of an org, without its secret. Minting inserts it, and a revocation sets `revoked_at`. A worker deletes it
-- long after it expired, and the leader deletes it with its org. A transaction that makes a token locks the row of the token's maker until
-- the commit, so a revocation of the maker misses no token.

create table api_tokens (
  id uuid primary key,
  org_id uuid not null references orgs,
  key_id uuid not null references signing_keys,
  -- The person or the token that made it. Both are null when an operator made it with a command.
  made_by_user uuid references users,
  made_by_token uuid,
  name text,
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- Written at most once a minute.
  last_used_at timestamptz,
  revoked_at timestamptz,
  constraint api_tokens_one_maker check (made_by_user is null or made_by_token is null)
);

-- Which tokens does this org have?
create index api_tokens_of_org on api_tokens (org_id);
-- How many live tokens does this org have? Their number is limited, and counted when one is made.
create index api_tokens_living on api_tokens (org_id, expires_at) where revoked_at is null;
-- Which tokens did this person make?
create index api_tokens_made_by_user on api_tokens (made_by_user) where made_by_user is not null;
-- Which tokens did this token make?
create index api_tokens_made_by_token on api_tokens (made_by_token) where made_by_token is not null;
-- Does this key still have live tokens?
create index api_tokens_of_key on api_tokens (key_id, expires_at);
-- Which tokens expired so long ago that they can be deleted?
create index api_tokens_over on api_tokens (expires_at);

alter table api_tokens enable row level security, force row level security;
create policy system_all on api_tokens to anchorage_system using (true) with check (true);
create policy own_tokens on api_tokens for select to anchorage_tenant using (org_id = current_org());

grant select, insert, update, delete on api_tokens to anchorage_system;
grant select on api_tokens to anchorage_tenant;
