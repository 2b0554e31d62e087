-- min_code: 22
-- One row is one login of one user in one browser. A login creates it, requests move `last_seen_at` on, and a logout ends it. A worker
-- deletes it some time after its end.

create table sessions (
  id uuid primary key,
  user_id uuid not null references users,
  -- SHA-256 of the cookie's secret.
  hash bytea not null unique,
  -- The identity provider's own id of the session.
  provider_sid text,
  -- The provider's logout page needs it. A logout deletes it.
  id_token text,
  user_agent text,
  address text,
  -- The network that shares a rate limit with `address`. For some time after the login it counts as known: strangers who use up the limit
  -- of all sign-ins cannot keep this network from signing in.
  network text,
  created_at timestamptz not null default clock_timestamp(),
  -- Written at most once a minute.
  last_seen_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  -- When it was ended by a logout; null while it is alive, and when it expired.
  ended_at timestamptz
) with (fillfactor = 70);

-- Which sessions does this user have?
create index sessions_of_user on sessions (user_id, created_at);
-- Which session does the provider end?
create index sessions_by_provider on sessions (provider_sid) where provider_sid is not null;
-- Which sessions ended so long ago that they can be deleted?
create index sessions_over on sessions (coalesce(ended_at, expires_at));
-- Did a person sign in from this network lately?
create index sessions_of_network on sessions (network, created_at);

grant select, insert, update, delete on sessions to anchorage_system;
