-- Does a pin that a replace made keep this content? Its index can only be read as a bitmap, which the system else does without.
create or replace function is_held(of_cid text) returns boolean language sql stable set enable_bitmapscan = on as $$
  select exists (select from pins where holds @> array[of_cid])
$$;
