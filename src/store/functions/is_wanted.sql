-- Tells whether a pin wants this content, or keeps it after a replace (is_held). A refused pin does not want it. Only the system asks,
-- since an org sees its own pins alone. The caller holds the content's row.
-- Locks: nothing.
create or replace function is_wanted(of_cid text) returns boolean language sql stable as $$
  select exists (select from pins where cid = of_cid and error_code is null) or is_held(of_cid)
$$;
