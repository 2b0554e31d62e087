-- Revokes the given tokens, as far as they are the current org's, and the tokens that they made (revoke_tokens). Security definer: an org
-- may not write the deny list.
-- Locks: api_tokens, token_denylist and the tokens' row of cache_versions, as revoke_tokens does.
-- Returns: one row. `revoked` are the tokens that this call revoked, `version` is the version of the tokens that includes this change, for
-- nodes that cache tokens.
set local role anchorage_system;
create or replace function revoke_own_tokens(ids uuid[]) returns table (revoked uuid[], version bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
#variable_conflict use_column
declare
  gone uuid[];
begin
  gone := array(select r.id from revoke_tokens(array(
    select t.id from api_tokens t where t.id = any (ids) and t.org_id = current_org())) r);
  return query select gone, c.version from cache_versions c where c.cache = 'tokens';
end $$;
grant execute on function revoke_own_tokens to anchorage_tenant;
