-- Revokes tokens, the tokens that they made, and so on, and puts them all on the deny list. It locks a token's row before it looks for the
-- tokens that this one made, and making a token holds the maker's row to the commit. So it overlooks none.
-- Locks: for each generation in turn: api_tokens in id order; token_denylist; the tokens' row of cache_versions (next_cache_version).
-- Returns: the tokens that this call revoked, without those that were revoked before.
create or replace function revoke_tokens(ids uuid[]) returns table (id uuid, org_id uuid) language plpgsql as $$
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
