-- min_code: 22
-- One row is the id of an access token that is refused before it expires. A revocation inserts it; a worker deletes it when the token has
-- expired.

create table token_denylist (
  jti uuid primary key,
  -- When the token expires.
  until timestamptz not null
);

-- Which rows can be deleted?
create index token_denylist_over on token_denylist (until);

grant select, insert, update, delete on token_denylist to anchorage_system;
