-- Makes the text that pin_meta stores for a key or a value: `=` and the text itself, or `#` and its SHA-256 when it is too long for an
-- index (over 512 bytes).
-- Locks: nothing.
create or replace function meta_key(t text) returns text language sql immutable strict as $$
  select case when octet_length(t) > 512 then '#' || encode(sha256(convert_to(t, 'UTF8')), 'hex') else '=' || t end
$$;
grant execute on function meta_key to anchorage_tenant;
