-- Does any pin want this content? One that was refused does not. Asked under its lock, by the system only.
create or replace function is_wanted(of_cid text) returns boolean language sql stable as $$
  select exists (select from pins where cid = of_cid and error_code is null) or is_held(of_cid)
$$;
