-- Ends tokens, and those that they made, and so on; answers with those that this ended. A row is locked before what it made is looked for,
-- and who makes a token holds its maker's row to the commit: none is overlooked.
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
