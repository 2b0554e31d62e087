-- min_code: 22
-- One row is a logout token of an identity provider that was used: each is taken only once. A logout by the provider writes it; a worker
-- deletes it when its time is over.

create table logout_tokens (
  issuer text collate "C" not null,
  -- SHA-256 of the token's `jti`.
  jti bytea not null,
  -- From then on the token is refused as too old, so the row is no longer needed.
  until timestamptz not null,
  primary key (issuer, jti)
);

-- Which rows can be deleted?
create index logout_tokens_over on logout_tokens (until);

grant select, insert, update, delete on logout_tokens to anchorage_system;
