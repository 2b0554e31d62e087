-- What pin_meta keeps of a key or value: itself when short, its digest when too long for an index.
create or replace function meta_key(t text) returns text language sql immutable strict as $$
  select case when octet_length(t) > 512 then '#' || encode(sha256(convert_to(t, 'UTF8')), 'hex') else '=' || t end
$$;
grant execute on function meta_key to anchorage_tenant;
