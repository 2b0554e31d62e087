-- min_code: 22
-- One row is a key that signs or verifies access tokens. A rotation inserts it and changes the state of the keys before it. No row is
-- deleted, since tokens refer to it.

create table signing_keys (
  id uuid primary key,
  -- The key's secret, encrypted with the master key. Empty once the key is retired.
  wrapped bytea not null,
  -- `active`: signs and verifies. `verify`: only verifies, until its last token has expired. `retired`: its tokens are over.
  state text not null check (state in ('active', 'verify', 'retired')),
  created_at timestamptz not null default now()
);

-- Which key signs? At most one is active.
create unique index signing_keys_one_active on signing_keys (state) where state = 'active';

grant select, insert, update, delete on signing_keys to anchorage_system;
