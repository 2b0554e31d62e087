-- Tells whether an org that is not suspended wants this content, or keeps it after a replace. The function goes from org to org by the
-- index, since one org may have very many pins of the content.
-- Locks: nothing.
create or replace function is_worked_for(of_cid text) returns boolean language plpgsql stable as $$
declare
  asking uuid := '00000000-0000-0000-0000-000000000000';
begin
  loop
    select p.org_id into asking from pins p where p.cid = of_cid and p.org_id > asking order by p.org_id limit 1;
    exit when asking is null;
    if exists (select from orgs o where o.id = asking and o.suspended_at is null)
      and exists (select from pins p where p.cid = of_cid and p.org_id = asking and p.error_code is null)
    then return true; end if;
  end loop;
  return is_held_by_working(of_cid);
end $$;
